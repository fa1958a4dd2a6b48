"""What the doctor knows about a database before it judges: a snapshot, without opinion.

None stands for "the role that asked may not see it", everywhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of pg_settings; `source` and `context` in PostgreSQL's own words."""

    value: str
    source: str
    context: str


@dataclass(frozen=True, kw_only=True)
class Extension:
    """An extension that this server could have; `version` and `schema` are None when it is not created.

    Attributes:
        default: the version that the server's files would create.
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
        settings: search_path and time-outs as its sessions in this database start with.
        path: the schemas of that search path which exist, $user resolved.
        uses: the schemas it has USAGE on.
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
        owner: whose privileges it uses when it is SECURITY DEFINER.
        owner_sql: the same, quoted for SQL.
        may_execute: whether the datadog role may call it.
        unreadable: the application's tables that the owner may not read.
        owner_is_superuser: whether whatever runs as the owner is unlimited.
        refuses_temporary: whether its source looks for temporary objects of the caller.
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
    """What came of explaining a statement about one of the application's tables.

    Attributes:
        by: the role that called the function: the datadog role when the asking role may become it.
        refused: whether that role was not even allowed to call it.
        error: empty when there was a plan.
        executes: whether the function also explains EXECUTE, which evaluates the parameters.
        evaluates: whether it also plans what reads tables while it is planned.
    """

    statement: str
    by: str
    refused: bool
    error: str
    executes: bool
    evaluates: bool


@dataclass(frozen=True, kw_only=True)
class StatementTexts:
    """What reading pg_stat_statements with its texts gave.

    Attributes:
        error: why it failed, with its SQLSTATE; empty when it did not.
        entries: rows of the view.
        texts: those whose text is not NULL.
    """

    error: str
    sqlstate: str | None
    entries: int
    texts: int


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that the rules look at.

    Attributes:
        version: server_version_num, such as 150018.
        database_sql: the database, quoted for SQL.
        is_standby: whether the server is in recovery, and refuses every change.
        settings: those that the rules name; a name is absent when its library is not loaded, or when
            the setting is hidden from the role.
        texts: None where the extension is not there.
        datadog_schema: whether it exists.
        planner: whether there is a role `datadog_explain`.
        table_schemas_sql: the schemas of those tables.
        has_query_id: whether this very session has a query_id in pg_stat_activity.
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
    """Whether a time-out, as PostgreSQL writes it, is none.

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
