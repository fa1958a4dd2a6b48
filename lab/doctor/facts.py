"""The facts about a database that the doctor's rules evaluate: settings, roles, extensions, functions.

None always stands for "the connecting role may not read it".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of pg_settings."""

    value: str
    source: str
    context: str


@dataclass(frozen=True, kw_only=True)
class Extension:
    """An available extension; `version` and `schema` are None when it is not created.

    Attributes:
        default: the version that CREATE EXTENSION would create.
        schema_sql: the schema, quoted for SQL.
    """

    default: str
    version: str | None
    schema: str | None
    schema_sql: str | None


@dataclass(frozen=True, kw_only=True)
class Observer:
    """A role that an observer connects as.

    Attributes:
        sql: the name, quoted for SQL.
        has_monitor: whether the privileges of pg_monitor apply without SET ROLE.
        is_member: whether it was granted pg_monitor, inherited or not.
        settings: search_path and time-outs that its sessions in this database start with.
        path: the schemas of that search path that exist, $user resolved.
        uses: the schemas that it has USAGE on.
        creates_sql: the schemas that it may create objects in, quoted for SQL.
        creates_temporary: whether it may create temporary objects in this database.
    """

    name: str
    sql: str
    exists: bool
    can_login: bool = False
    may_connect: bool = False
    connection_limit: int = -1
    has_monitor: bool = False
    is_member: bool = False
    settings: Mapping[str, str]
    path: tuple[str, ...] = ()
    uses: frozenset[str] = frozenset()
    creates_sql: tuple[str, ...] = ()
    creates_temporary: bool = False
    is_superuser: bool = False


@dataclass(frozen=True, kw_only=True)
class ExplainFunction:
    """`datadog.explain_statement(text)`.

    Attributes:
        owner: the role whose privileges it uses when it is SECURITY DEFINER.
        owner_sql: the same, quoted for SQL.
        may_execute: whether the datadog role may call it.
        unreadable: the application's tables that the owner may not read.
        owner_is_superuser: whether statements that run as the owner bypass all privilege checks.
        refuses_temporary: whether its source checks for temporary objects of the caller.
    """

    owner: str
    owner_sql: str
    security_definer: bool
    returns_json_set: bool
    may_execute: bool
    unreadable: tuple[str, ...]
    owner_is_superuser: bool
    refuses_temporary: bool


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """The result of explaining a statement on one of the application's tables.

    Attributes:
        by: the role that called the function: the datadog role when the connecting role may SET ROLE to it.
        refused: whether that role may not call the function.
        error: empty when the function returned a plan.
        executes: whether the function also explains EXECUTE, which evaluates the parameters.
        evaluates: whether it also plans calls that read tables during planning.
    """

    statement: str
    by: str
    refused: bool
    error: str
    executes: bool
    evaluates: bool


@dataclass(frozen=True, kw_only=True)
class StatementTexts:
    """The result of reading pg_stat_statements with its query texts.

    Attributes:
        error: PostgreSQL's error message; empty when the query succeeded.
        entries: rows of the view.
        texts: rows whose text is not NULL.
    """

    error: str
    sqlstate: str | None
    entries: int
    texts: int


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that the rules evaluate.

    Attributes:
        version: server_version_num, such as 150018.
        database_sql: the database, quoted for SQL.
        is_standby: whether the server is in recovery, and rejects every change.
        settings: those that the rules name; a name is absent when its library is not loaded, or when
            the role may not see the setting.
        texts: None when the extension is not created.
        datadog_schema: whether it exists.
        planner: whether the role `datadog_explain` exists.
        table_schemas_sql: the schemas of the application's tables, quoted for SQL.
        has_query_id: whether the doctor's own session has a query_id in pg_stat_activity.
    """

    version: int
    server_version: str
    database: str
    database_sql: str
    role: str
    role_sql: str
    is_standby: bool
    settings: Mapping[str, Setting]
    datadog: Observer | None
    exporter: Observer | None
    extensions: Mapping[str, Extension] | None
    texts: StatementTexts | None
    datadog_schema: bool | None
    explain: ExplainFunction | None
    explain_known: bool
    attempt: Attempt | None
    planner: bool
    table_schemas_sql: tuple[str, ...]
    has_query_id: bool | None


def is_unlimited(duration: str) -> bool:
    """Whether a time-out, as PostgreSQL prints it, is disabled (zero).

    >>> [is_unlimited(value) for value in ("", "0", "0ms", "5s", "0x10", "1e3", "0.5 min")]
    [True, True, True, False, False, False, False]
    """
    return re.fullmatch(r"\s*+[-+]?0*+\.?0*+\s*+(us|ms|s|min|h|d|)\s*+", duration) is not None


def names(search_path: str) -> tuple[str, ...]:
    """Split a search path or another list of names.

    >>> names('"$user", public,"Odd, name"')
    ('$user', 'public', 'Odd, name')
    """
    parts = re.findall(r'(?:^|,)\s*+(?:"((?:[^"]|"")*+)(?:"|\Z)|([^\s,"]++))', search_path)
    return tuple(quoted.replace('""', '"') if quoted else bare for quoted, bare in parts)
