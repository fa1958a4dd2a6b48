"""The SQL and configuration lines that fix a failed check, with identifiers and literals quoted."""

from lab.doctor.check import Fix, Then
from lab.doctor.facts import ExplainFunction, Facts, Observer, names

LIBRARIES = "libraries"
_LITERAL = "'{}'"
# Settings of libraries with context postmaster; pg_settings has no row of them until the library is loaded.
_AT_START = {"pg_stat_statements.max"}

PLANNER = "datadog_explain"
# The body is that of postgres/init/30-observability.sql, where comments explain each refusal.
_EXPLAIN = r"""
CREATE OR REPLACE FUNCTION datadog.explain_statement(l_query text, OUT explain json)
RETURNS SETOF json LANGUAGE plpgsql STRICT SECURITY DEFINER
SET search_path = {path}
AS $function$
DECLARE
    planned constant text := E'^([[:space:](]|--[^\\n\\r]*[\\n\\r]'
        '|/[*]([^*/]|[*](?!/)|/(?![*]))*[*]/)*'
        '(select|insert|update|delete|merge|with|values|table)'
        '([^[:alnum:]_]|$)';
    statement_plan refcursor;
BEGIN
    IF l_query !~* planned OR l_query ~* '(table|schema|database)_to_xml|u&"'
        OR pg_my_temp_schema() <> 0 THEN
        RAISE feature_not_supported;
    END IF;
    SET TRANSACTION READ ONLY;
    OPEN statement_plan FOR EXECUTE 'EXPLAIN (FORMAT JSON) ' || l_query;
    FETCH statement_plan INTO explain;
    CLOSE statement_plan;
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION 'this statement is not explained (SQLSTATE %)', SQLSTATE USING ERRCODE = SQLSTATE;
END
$function$""".lstrip()


def setting(facts: Facts, name: str, value: str) -> Fix:
    """Return how to set a parameter for the whole server, at the source that has precedence now."""
    known = facts.settings.get(name)
    conf = f"{name} = {_quoted(value)}"
    if known is None:
        then = Then.RESTART if name in _AT_START else Then.RELOAD
        return Fix(statements=_alter_system(name, value), conf=conf, then=then, after=LIBRARIES)
    if known.source == "command line":
        note = f"The server's command line sets {name} (-c {name}=...), which overrides configuration files."
        return Fix(conf=conf, then=Then.RESTART, note=note)
    if known.source == "database":
        alter = f"ALTER DATABASE {facts.database_sql} SET {name} = {_quoted(value)}"
        return Fix(statements=(alter,), then=Then.RECONNECT)
    then = Then.RESTART if known.context == "postmaster" else Then.RELOAD
    return Fix(statements=_alter_system(name, value), conf=conf, then=then)


def libraries(facts: Facts, wanted: tuple[str, ...]) -> Fix:
    """Return how to preload libraries in addition to those that are preloaded now."""
    known = facts.settings.get("shared_preload_libraries")
    if known is None:
        return Fix(
            conf=f"shared_preload_libraries = '(current value),{','.join(wanted)}'",
            then=Then.RESTART,
            note=f"To see the current value: GRANT pg_read_all_settings TO {facts.role_sql};",
        )
    if known.source == "command line":
        return setting(facts, "shared_preload_libraries", known.value)
    every = dict.fromkeys([*names(known.value), *wanted])
    # A list in one literal would become one library with commas in its name.
    literals = ", ".join(_quoted(library) for library in every)
    return Fix(
        statements=(f"ALTER SYSTEM SET shared_preload_libraries = {literals}",),
        conf=f"shared_preload_libraries = '{','.join(every)}'",
        then=Then.RESTART,
    )


def role(observer: Observer) -> Fix:
    """Return how to create the role, or how to let it log in."""
    verb = "ALTER" if observer.exists else "CREATE"
    return Fix(
        statements=(f"{verb} ROLE {observer.sql} LOGIN",),
        note=f"Then set its password: \\password {observer.sql} in psql.",
    )


def monitor(facts: Facts, observer: Observer) -> Fix:
    """Return how to grant pg_monitor so that it applies without SET ROLE."""
    if not observer.is_member:
        inherit = () if not observer.exists else (f"ALTER ROLE {observer.sql} INHERIT",)
        return Fix(statements=(*inherit, f"GRANT pg_monitor TO {observer.sql}"), then=Then.NOTHING)
    first_with_grant_options = 160_000
    if facts.version >= first_with_grant_options:
        return Fix(statements=(f"GRANT pg_monitor TO {observer.sql} WITH INHERIT TRUE",))
    return Fix(statements=(f"ALTER ROLE {observer.sql} INHERIT",))


def explain_function(facts: Facts) -> Fix:
    """Return how to create the function, owned by a role that may plan the application's statements only."""
    path = ", ".join(dict.fromkeys(["pg_catalog", *facts.table_schemas_sql, "pg_temp"]))
    statements = [
        "CREATE SCHEMA IF NOT EXISTS datadog",
        *([] if facts.planner else [f"CREATE ROLE {PLANNER} NOLOGIN"]),
        *_may_plan(facts, PLANNER),
        "DROP FUNCTION IF EXISTS datadog.explain_statement(text)",
        _EXPLAIN.replace("{path}", path),
        "REVOKE ALL ON FUNCTION datadog.explain_statement(text) FROM public",
    ]
    if facts.datadog is not None:
        grant = f"GRANT EXECUTE ON FUNCTION datadog.explain_statement(text) TO {facts.datadog.sql}"
        statements.append(grant)
    statements.append(f"ALTER FUNCTION datadog.explain_statement(text) OWNER TO {PLANNER}")
    absent = facts.datadog is not None and not facts.datadog.exists
    return Fix(
        statements=tuple(statements),
        after="datadog_role" if absent else "",
        note=f"Tables that are created later need the same GRANT to {PLANNER}.",
    )


def confined(facts: Facts) -> Fix:
    """Return how to recreate the function, and to revoke CREATE on every schema from the Agent's role."""
    assert facts.datadog is not None
    role, made = facts.datadog.sql, explain_function(facts)
    if facts.datadog.is_superuser:
        return Fix(statements=(f"ALTER ROLE {role} NOSUPERUSER",))
    revoked = tuple(
        f"REVOKE CREATE ON SCHEMA {schema} FROM public, {role}"
        for schema in facts.datadog.creates_sql
    )
    note = (
        "First grant CREATE to the roles that create objects in these schemas. " if revoked else ""
    )
    return Fix(statements=(*made.statements, *revoked), after=made.after, note=f"{note}{made.note}")


def readable_tables(facts: Facts, function: ExplainFunction) -> Fix:
    """Return how to let the function's owner plan the application's statements."""
    return Fix(statements=_may_plan(facts, function.owner_sql))


def _may_plan(facts: Facts, role_sql: str) -> tuple[str, ...]:
    """EXPLAIN checks the privileges of the statement that it explains, writes included."""
    return tuple(
        statement
        for schema in facts.table_schemas_sql
        for statement in (
            f"GRANT USAGE ON SCHEMA {schema} TO {role_sql}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role_sql}",
        )
    )


def _alter_system(name: str, value: str) -> tuple[str, ...]:
    return (f"ALTER SYSTEM SET {name} = {_quoted(value)}", "SELECT pg_reload_conf()")


def _quoted(value: str) -> str:
    return _LITERAL.format(value.replace("'", "''"))
