"""Reads the facts about a database: the one module of the doctor that sends queries.

Each group of facts has its own query, so that a missing privilege, or a catalog that this version of
PostgreSQL does not have, makes only that group unknown.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lab.clients.database import Connection, Row, read_only, rows
from lab.doctor import queries
from lab.doctor.facts import (
    Attempt,
    ExplainFunction,
    Extension,
    Facts,
    Observer,
    Setting,
    StatementTexts,
    names,
)
from lab.foundation.errors import DatabaseError

STATEMENT_TIMEOUT = "5s"
LOCK_TIMEOUT = "1s"
FIRST_WITH_QUERY_ID = 140_000

_SETTINGS = [
    "auto_explain.log_analyze",
    "auto_explain.log_buffers",
    "auto_explain.log_format",
    "auto_explain.log_min_duration",
    "compute_query_id",
    "lock_timeout",
    "log_autovacuum_min_duration",
    "log_checkpoints",
    "log_destination",
    "log_line_prefix",
    "log_lock_waits",
    "log_min_duration_statement",
    "log_temp_files",
    "logging_collector",
    "pg_stat_statements.max",
    "pg_stat_statements.track",
    "pg_stat_statements.track_utility",
    "search_path",
    "shared_preload_libraries",
    "statement_timeout",
    "track_activity_query_size",
    "track_io_timing",
]
_SESSION_SETTINGS = ("search_path", "statement_timeout", "lock_timeout")


def read(connection: Connection, *, datadog_role: str, exporter_role: str) -> Facts:
    """Read everything that the rules evaluate, in one read-only transaction.

    Raises:
        DatabaseError: when the session's own identity cannot be read, or the connection is lost.
    """
    with read_only(connection, roll_back=True):
        return _facts(connection, datadog_role, exporter_role)


def _facts(connection: Connection, datadog_role: str, exporter_role: str) -> Facts:
    [identity] = rows(connection, queries.IDENTITY)
    version, server_version, database, database_sql, role, role_sql, is_standby = identity
    settings = {
        name: Setting(value=value, source=source, context=context)
        for name, value, source, context in _ask(connection, queries.SETTINGS, names=_SETTINGS)
        or []
    }
    # After the query of pg_settings, which would otherwise return these values.
    rows(connection, f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'")
    rows(connection, f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    tables = _ask(connection, queries.TABLES) or []
    schema = _ask(connection, queries.DATADOG_SCHEMA)
    found = _ask(connection, queries.EXPLAIN_FUNCTION, role=datadog_role)
    explain = _explain_function(connection, found[0], tables) if found else None
    query_id = _ask(connection, queries.OWN_QUERY_ID) if version >= FIRST_WITH_QUERY_ID else None
    datadog = _observer(connection, datadog_role, settings)
    extensions = _extensions(connection)
    return Facts(
        version=version,
        server_version=server_version,
        database=database,
        database_sql=database_sql,
        role=role,
        role_sql=role_sql,
        is_standby=is_standby,
        settings=settings,
        datadog=datadog,
        exporter=_observer(connection, exporter_role, settings),
        extensions=extensions,
        texts=_texts(connection, datadog_role, (extensions or {}).get("pg_stat_statements")),
        datadog_schema=schema[0][0] if schema else None,
        explain=explain,
        explain_known=found is not None,
        attempt=_attempt(connection, datadog_role, datadog, role, tables) if explain else None,
        planner=_ask(connection, queries.PLANNER) == [(True,)],
        table_schemas_sql=tuple(sorted({schema for *_, schema in tables})),
        has_query_id=query_id[0][0] if query_id else None,
    )


def _ask(connection: Connection, sql: str, **parameters: object) -> list[Row] | None:
    """Return the rows of a query, or None when PostgreSQL rejects it: the check is then unknown."""
    with suppress(DatabaseError), _rolled_back(connection):
        return rows(connection, sql, parameters)
    return None


@contextmanager
def _rolled_back(connection: Connection) -> Iterator[None]:
    """Roll a block back to a savepoint, so that its failure does not abort the transaction."""
    rows(connection, "SAVEPOINT doctor")
    try:
        yield
    finally:
        # Released, so that a nested savepoint of the same name does not hide the outer one.
        rows(connection, "ROLLBACK TO SAVEPOINT doctor; RELEASE SAVEPOINT doctor")


def _extensions(connection: Connection) -> dict[str, Extension] | None:
    found = _ask(connection, queries.EXTENSIONS)
    if found is None:
        return None
    return {
        name: Extension(default=default, version=version, schema=schema, schema_sql=schema_sql)
        for name, default, version, schema, schema_sql in found
    }


def _texts(connection: Connection, role: str, extension: Extension | None) -> StatementTexts | None:
    """Read every query text, as the Agent and the exporter do."""
    if extension is None or extension.schema_sql is None:
        return None
    with _rolled_back(connection):
        _set_role(connection, role)
        try:
            [counts] = rows(connection, queries.TEXTS.replace("{schema}", extension.schema_sql))
        except DatabaseError as failure:
            return StatementTexts(error=str(failure), sqlstate=failure.sqlstate, entries=0, texts=0)
    return StatementTexts(error="", sqlstate=None, entries=counts[0], texts=counts[1])


def _observer(connection: Connection, name: str, settings: dict[str, Setting]) -> Observer | None:
    found = _ask(connection, queries.ROLE, role=name)
    schemas = _ask(connection, queries.ROLE_SCHEMAS, role=name)
    own = _ask(connection, queries.ROLE_SETTINGS, role=name)
    if not found or schemas is None or own is None:
        return None
    sql, exists, can_login, may_connect, limit, has_monitor, is_member, superuser, temp = found[0]
    effective = {key: settings[key].value for key in _SESSION_SETTINGS if key in settings}
    effective |= dict(setting.partition("=")[::2] for [setting] in own)
    existing = {schema for schema, *_ in schemas}
    path = (name if n == "$user" else n for n in names(effective.get("search_path", "")))
    return Observer(
        name=name,
        sql=sql,
        exists=exists,
        can_login=can_login,
        may_connect=may_connect,
        connection_limit=limit,
        has_monitor=has_monitor,
        is_member=is_member,
        settings={key: effective.get(key, "") for key in _SESSION_SETTINGS},
        path=tuple(schema for schema in path if schema in existing),
        uses=frozenset(schema for schema, uses, *_ in schemas if uses),
        creates_sql=tuple(sorted(sql for *_, creates, sql in schemas if creates)),
        creates_temporary=temp,
        is_superuser=superuser,
    )


def _explain_function(connection: Connection, found: Row, tables: list[Row]) -> ExplainFunction:
    owner, owner_sql, definer, returns_json_set, may_execute, superuser, guarded, owner_id = found
    unreadable = _ask(
        connection, queries.UNREADABLE, tables=[oid for oid, *_ in tables], owner=owner_id
    )
    return ExplainFunction(
        owner=owner,
        owner_sql=owner_sql,
        security_definer=definer,
        returns_json_set=returns_json_set,
        may_execute=may_execute,
        unreadable=tuple(name for [name] in unreadable or []),
        owner_is_superuser=superuser,
        refuses_temporary=guarded,
    )


def _attempt(
    connection: Connection, name: str, datadog: Observer | None, role: str, tables: list[Row]
) -> Attempt:
    """Explain a statement on the largest table, as the Agent does: with its role and its search_path.

    A role that may not SET ROLE to the Agent's calls the function itself, with the Agent's search_path.
    """
    statement, error, refused, executes, evaluates = "SELECT 1", "", False, False, False
    table = {"table": tables[0][0] if tables else None}
    with _rolled_back(connection):
        by = name if _set_role(connection, name) else role
        try:
            if datadog is not None and (path := datadog.settings["search_path"]):
                rows(connection, "SELECT set_config('search_path', %s, true)", [path])
            [[statement]] = rows(connection, queries.STATEMENT, table)
            refused = rows(connection, queries.MAY_EXPLAIN) != [(True,)]
            if not refused:
                executes = _fails_with(connection, *queries.EXECUTES)
                evaluates = _fails_with(connection, *queries.EVALUATES)
                rows(connection, queries.EXPLAIN, table)
        except DatabaseError as failure:
            error = str(failure)
    return Attempt(
        statement=statement,
        by=by,
        refused=refused,
        error=error,
        executes=executes,
        evaluates=evaluates,
    )


def _fails_with(connection: Connection, sql: str, sqlstate: str) -> bool:
    try:
        with _rolled_back(connection):
            rows(connection, sql)
    except DatabaseError as failure:
        return failure.sqlstate == sqlstate
    return False


def _set_role(connection: Connection, role: str) -> bool:
    rows(connection, "SAVEPOINT set_role")
    try:
        rows(connection, "SELECT set_config('role', %s, true)", [role])
    except DatabaseError:
        rows(connection, "ROLLBACK TO SAVEPOINT set_role")
        return False
    return True
