"""Checks of estimated plans: the schema and the function with which the Agent explains statements."""

from collections.abc import Iterator

from lab.doctor import fixes
from lab.doctor.check import Check, Fix, Status
from lab.doctor.facts import ExplainFunction, Facts, Observer
from lab.foundation.plural import plural

_IMPACT = "Every plan in Database Monitoring."
_FUNCTION = "datadog.explain_statement(text)"


def checks(facts: Facts) -> Iterator[Check]:
    """Check the schema, the function, and whether it returns a plan."""
    yield _schema(facts)
    yield _function(facts)
    if facts.explain is not None:
        yield _security_definer(facts.explain)
        yield _confined(facts, facts.explain)
        yield _works(facts, facts.explain)


def _schema(facts: Facts) -> Check:
    observer = facts.datadog
    status, found, fix = Status.OK, "it exists, and the role has USAGE on it", None
    statements = ["CREATE SCHEMA IF NOT EXISTS datadog"]
    if observer is not None:
        statements.append(f"GRANT USAGE ON SCHEMA datadog TO {observer.sql}")
    if facts.datadog_schema is None or observer is None:
        status, found = Status.UNKNOWN, f"role {facts.role} may not read pg_namespace or pg_roles"
        fix = Fix(statements=(f"GRANT SELECT ON pg_namespace, pg_roles TO {facts.role_sql}",))
    elif not facts.datadog_schema:
        status, found = Status.MISSING, "this database has no such schema"
        fix = Fix(statements=tuple(statements), after=_role_first(observer))
    elif "datadog" not in observer.uses:
        status, found = Status.MISSING, f"role {observer.name} has no USAGE on it"
        fix = Fix(statements=tuple(statements[1:]), after=_role_first(observer))
    return Check(
        name="datadog_schema",
        title="Schema datadog for the Agent's function",
        status=status,
        found=found,
        impact=_IMPACT,
        fix=fix,
    )


def _function(facts: Facts) -> Check:
    function, fix = facts.explain, fixes.explain_function(facts)
    status, found = Status.MISSING, "it does not return SETOF json"
    if function is None and not facts.explain_known:
        status, found = Status.UNKNOWN, f"role {facts.role} may not read pg_proc"
        fix = Fix(statements=(f"GRANT SELECT ON pg_proc TO {facts.role_sql}",))
    elif function is None:
        found = f"this database has no {_FUNCTION}"
    elif function.returns_json_set:
        status, found = Status.OK, f"owned by {function.owner}"
    return Check(
        name="explain_function",
        title=f"Function {_FUNCTION}",
        status=status,
        found=found,
        impact=f"{_IMPACT} The Agent warns: undefined-explain-function.",
        fix=None if status is Status.OK else fix,
    )


def _security_definer(function: ExplainFunction) -> Check:
    good = function.security_definer
    return Check(
        name="explain_security_definer",
        title="The explain function runs with its owner's privileges",
        status=Status.OK if good else Status.MISSING,
        found="SECURITY DEFINER" if good else "SECURITY INVOKER",
        impact=f"{_IMPACT} The Agent gets InsufficientPrivilege for each, and does not warn.",
        fix=None if good else Fix(statements=(f"ALTER FUNCTION {_FUNCTION} SECURITY DEFINER",)),
    )


def _confined(facts: Facts, function: ExplainFunction) -> Check:
    """Functions that the planner evaluates in an explained statement run as the function's owner."""
    status, found, fix = _escalations(facts, function)
    owner = f"superuser {function.owner}" if function.owner_is_superuser else function.owner
    return Check(
        name="explain_confined",
        title="The explain function gives the Agent's role plans only",
        status=status,
        found=found,
        impact=(
            f"No data. But with the role's password one can read and call everything that {owner} may,"
            " not only plans."
        ),
        fix=fix,
    )


def _escalations(facts: Facts, function: ExplainFunction) -> tuple[Status, str, Fix | None]:
    attempt, observer = facts.attempt, facts.datadog
    if not function.security_definer:
        return Status.OK, "it runs with the caller's own privileges", None
    if observer is None:
        return Status.UNKNOWN, f"role {facts.role} may not read pg_roles", None
    ways = {
        "EXPLAIN EXECUTE evaluates any parameter": attempt is not None and attempt.executes,
        "functions that read tables run during planning": attempt is not None and attempt.evaluates,
        "temporary functions run during planning": (
            observer.creates_temporary and not function.refuses_temporary
        ),
        f"functions of schema {', '.join(observer.creates_sql)}, where it has CREATE, run during planning": (
            bool(observer.creates_sql)
        ),
        f"its owner {function.owner} is a superuser": function.owner_is_superuser,
    }
    if observer.is_superuser:
        ways = {f"role {observer.name} is a superuser": True}
    if open_ways := [way for way, is_open in ways.items() if is_open]:
        return Status.MISSING, "; ".join(open_ways), fixes.confined(facts)
    if attempt is None or attempt.refused:
        found = f"role {facts.role} may not call it, nor SET ROLE to {observer.name}"
        return Status.UNKNOWN, found, Fix(note="Connect as a superuser, or as the Agent's role.")
    return (
        Status.OK,
        f"it plans as {function.owner}, and refuses statements that would execute",
        None,
    )


def _works(facts: Facts, function: ExplainFunction) -> Check:
    status, found, fix = _attempt_result(facts, function)
    return Check(
        name="explain_works",
        title="The Agent can explain the application's statements",
        status=status,
        found=found,
        impact="Plans of statements that read the listed tables; all plans without EXECUTE on the function.",
        fix=fix,
    )


def _attempt_result(facts: Facts, function: ExplainFunction) -> tuple[Status, str, Fix | None]:
    attempt, observer = facts.attempt, facts.datadog
    if observer is not None and observer.exists and not function.may_execute:
        grant = f"GRANT EXECUTE ON FUNCTION {_FUNCTION} TO {observer.sql}"
        found = f"role {observer.name} may not execute {_FUNCTION}"
        return Status.MISSING, found, Fix(statements=(grant,))
    if not function.security_definer:
        found = "the function runs with the Agent's own privileges"
        return Status.MISSING, found, Fix(after="explain_security_definer")
    if function.unreadable:
        some = ", ".join(function.unreadable[:3])
        found = f"its owner {function.owner} may not read {plural(len(function.unreadable), 'table')}: {some}"
        return Status.MISSING, found, fixes.readable_tables(facts, function)
    if attempt is None or attempt.refused:
        grant = f"GRANT EXECUTE ON FUNCTION {_FUNCTION} TO {facts.role_sql}"
        usage = f"GRANT USAGE ON SCHEMA datadog TO {facts.role_sql}"
        found = f"role {facts.role} may not call it, nor SET ROLE to {_name(observer)}"
        return (
            Status.UNKNOWN,
            found,
            Fix(statements=(usage, grant), note="Or connect as that role."),
        )
    if attempt.error:
        found = f"{attempt.statement}: {attempt.error}"
        return Status.MISSING, found, fixes.explain_function(facts)
    return Status.OK, f"as {attempt.by}: {attempt.statement}", None


def _role_first(observer: Observer) -> str:
    return "" if observer.exists else "datadog_role"


def _name(observer: Observer | None) -> str:
    return observer.name if observer else "the Agent's role"
