"""Checks of the observers' two roles: login, pg_monitor, search_path, time-outs and connection limit."""

from collections.abc import Iterator
from dataclasses import replace

from lab.doctor import fixes
from lab.doctor.check import Check, Fix, Status, Then
from lab.doctor.facts import Facts, Observer, is_unlimited

_LIMITS = {"datadog": ("5s", "1s", 10), "exporter": ("8s", "2s", 5)}
_OBSERVERS = {"datadog": "the Datadog Agent", "exporter": "postgres_exporter"}


def checks(facts: Facts) -> Iterator[Check]:
    """Make four checks of each role; one check, unknown, of a role that could not be read."""
    for key, observer in (("datadog", facts.datadog), ("exporter", facts.exporter)):
        if observer is None:
            yield _unreadable(facts, key)
            continue
        yield _role(facts, key, observer)
        yield _monitor(facts, key, observer)
        yield _search_path(facts, key, observer)
        yield _limits(key, observer)


def _role(facts: Facts, key: str, observer: Observer) -> Check:
    status, found, fix = Status.OK, "it may log in and connect to this database", None
    if not observer.exists:
        status, found, fix = Status.MISSING, "it does not exist", fixes.role(observer)
    elif not observer.can_login:
        status, found, fix = Status.MISSING, "it may not log in", fixes.role(observer)
    elif not observer.may_connect:
        grant = f"GRANT CONNECT ON DATABASE {facts.database_sql} TO {observer.sql}"
        status, found = Status.MISSING, "it may not connect to this database"
        fix = Fix(statements=(grant,))
    return Check(
        name=f"{key}_role",
        title=f"Role {observer.name} for {_OBSERVERS[key]}",
        status=status,
        found=found,
        impact=f"Everything that {_OBSERVERS[key]} would see.",
        fix=fix,
    )


def _monitor(facts: Facts, key: str, observer: Observer) -> Check:
    found = "it has the privileges"
    if not observer.has_monitor:
        found = (
            "it is a member, but does not inherit" if observer.is_member else "it is not a member"
        )
    return Check(
        name=f"{key}_pg_monitor",
        title=f"Role {observer.name} has pg_monitor",
        status=Status.OK if observer.has_monitor else Status.MISSING,
        found=found,
        impact={
            "datadog": "Other roles' statements: no samples, no plans, no activity, and no warning.",
            "exporter": "Other roles' statements and sessions, sizes, settings, WAL and replication.",
        }[key],
        fix=None
        if observer.has_monitor
        else _after_role(key, observer, fixes.monitor(facts, observer)),
    )


def _search_path(facts: Facts, key: str, observer: Observer) -> Check:
    """Both observers query pg_stat_statements without its schema."""
    extension = (facts.extensions or {}).get("pg_stat_statements")
    schema = extension.schema if extension else None
    fix = None
    if extension is None or schema is None:
        status, found = Status.UNKNOWN, "pg_stat_statements is not created in this database"
        fix = Fix(after="pg_stat_statements")
    elif schema in observer.path and schema in observer.uses:
        status, found = Status.OK, f"schema {schema} is on its search path"
    else:
        path = observer.settings["search_path"]
        status = Status.MISSING
        found = f"the extension is in schema {schema}, its search path is {path}"
        grant = f"GRANT USAGE ON SCHEMA {extension.schema_sql} TO {observer.sql}"
        alter = (
            f"ALTER ROLE {observer.sql} IN DATABASE {facts.database_sql}"
            f" SET search_path = {', '.join(p for p in (path, extension.schema_sql) if p)}"
        )
        needed = (grant,) if schema in observer.path else (grant, alter)
        fix = _after_role(key, observer, Fix(statements=needed, then=Then.RECONNECT))
    return Check(
        name=f"{key}_search_path",
        title=f"Role {observer.name} finds pg_stat_statements",
        status=status,
        found=found,
        impact=f"Query metrics of {_OBSERVERS[key]}.",
        fix=fix,
    )


def _limits(key: str, observer: Observer) -> Check:
    statement_timeout, lock_timeout, sessions = _LIMITS[key]
    lacking = []
    statements = []
    for name, value in (("statement_timeout", statement_timeout), ("lock_timeout", lock_timeout)):
        if is_unlimited(observer.settings[name]):
            lacking.append(name)
            statements.append(f"ALTER ROLE {observer.sql} SET {name} = '{value}'")
    if observer.connection_limit < 0:
        lacking.append("connection limit")
        statements.append(f"ALTER ROLE {observer.sql} CONNECTION LIMIT {sessions}")
    fix = Fix(statements=tuple(statements), then=Then.RECONNECT)
    return Check(
        name=f"{key}_limits",
        title=f"Role {observer.name} has time-outs and a connection limit",
        status=Status.MISSING if lacking else Status.OK,
        found=f"without: {', '.join(lacking)}" if lacking else "it has all three",
        impact="No data. But behind a lock its sessions accumulate until none is left for the application.",
        fix=_after_role(key, observer, fix) if lacking else None,
    )


def _after_role(key: str, observer: Observer, fix: Fix) -> Fix:
    return fix if observer.exists else replace(fix, after=f"{key}_role")


def _unreadable(facts: Facts, key: str) -> Check:
    catalogues = "pg_roles, pg_namespace, pg_db_role_setting, pg_database"
    return Check(
        name=f"{key}_role",
        title=f"The role of {_OBSERVERS[key]}",
        status=Status.UNKNOWN,
        found=f"role {facts.role} may not read {catalogues}",
        impact=f"Everything that {_OBSERVERS[key]} would see.",
        fix=Fix(
            statements=(f"GRANT SELECT ON {catalogues} TO {facts.role_sql}",),
            note="Then run the doctor again.",
        ),
    )
