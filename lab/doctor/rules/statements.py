"""Checks of statement statistics: pg_stat_statements, its settings and texts, and query ids."""

from collections.abc import Iterator

from lab.doctor import fixes
from lab.doctor.check import Check, Fix, Status
from lab.doctor.facts import Extension, Facts, StatementTexts
from lab.doctor.read import FIRST_WITH_QUERY_ID
from lab.doctor.rules import setting

# A setting of each library: pg_settings has it once the library is loaded.
_SETTING_OF = {
    "pg_stat_statements": "pg_stat_statements.max",
    "auto_explain": "auto_explain.log_min_duration",
}
_ENTRIES = 10_000
# Invalid bytes; no such character in the target encoding; no conversion between the encodings.
_NOT_CONVERTED = frozenset({"22021", "22P05", "42883"})
_TEXT_BYTES = 4096
# A schema on the default search_path of every role.
_SCHEMA = "public"


def checks(facts: Facts) -> Iterator[Check]:
    """Check libraries, extensions, query ids, and the settings of pg_stat_statements."""
    yield _libraries(facts)
    yield _extension(
        facts,
        "pg_stat_statements",
        impact="Every query metric: Database Monitoring shows no queries, the exporter no statement.",
    )
    yield _extension(
        facts,
        "pg_buffercache",
        impact="postgresql.buffercache.*: which tables and indexes fill the shared buffers.",
    )
    if facts.texts is not None:
        yield _texts(facts, facts.texts)
    yield setting.check(
        facts,
        "pg_stat_statements.track",
        wanted="all",
        title="Statements inside functions are counted",
        impact="Statements run by functions and procedures; with track = none, every statement.",
    )
    yield setting.check(
        facts,
        "pg_stat_statements.max",
        is_sufficient=lambda value: int(value) >= _ENTRIES,
        wanted=str(_ENTRIES),
        title=f"pg_stat_statements tracks {_ENTRIES} distinct statements",
        impact="The least executed statements, whose counts are discarded when the table is full.",
    )
    yield setting.check(
        facts,
        "pg_stat_statements.track_utility",
        wanted="off",
        title="Utility statements are not tracked",
        impact="No data. But their texts keep literals, including passwords, and each uses an entry.",
    )
    yield _query_ids(facts)
    yield setting.check(
        facts,
        "track_activity_query_size",
        is_sufficient=lambda value: int(value) >= _TEXT_BYTES,
        wanted=str(_TEXT_BYTES),
        title="Long statements are not truncated",
        impact="Plans and samples of longer statements: a truncated text cannot be explained.",
    )
    yield setting.check(
        facts,
        "track_io_timing",
        wanted="on",
        title="I/O time is measured",
        impact="I/O time per query, per database and in plans: all are zero.",
    )


def _libraries(facts: Facts) -> Check:
    missing = tuple(library for library, name in _SETTING_OF.items() if name not in facts.settings)
    return Check(
        name=fixes.LIBRARIES,
        title="pg_stat_statements and auto_explain are loaded by the server",
        status=Status.MISSING if missing else Status.OK,
        found=f"not loaded: {', '.join(missing)}" if missing else "both are loaded",
        impact="Query metrics of both observers (pg_stat_statements); executed plans (auto_explain).",
        fix=fixes.libraries(facts, missing) if missing else None,
    )


def _extension(facts: Facts, name: str, *, impact: str) -> Check:
    title = f"Extension {name} exists in this database, at the server's version"
    if facts.extensions is None:
        return Check(
            name=name,
            title=title,
            status=Status.UNKNOWN,
            found=f"role {facts.role} may not read pg_available_extensions",
            impact=impact,
            fix=Fix(
                statements=(f"GRANT SELECT ON pg_available_extensions TO {facts.role_sql}",),
                note="Then run the doctor again.",
            ),
        )
    extension = facts.extensions.get(name)
    status, found, fix = _state(name, extension)
    return Check(name=name, title=title, status=status, found=found, impact=impact, fix=fix)


def _state(name: str, extension: Extension | None) -> tuple[Status, str, Fix | None]:
    if extension is None:
        note = (
            "Install the server's contrib package (postgresql-contrib), then run the doctor again."
        )
        return Status.MISSING, f"extension {name} is not installed on the server", Fix(note=note)
    if extension.version is None:
        create = f"CREATE EXTENSION {name} SCHEMA {_SCHEMA}"
        return Status.MISSING, "not created in this database", Fix(statements=(create,))
    found = f"version {extension.version} in schema {extension.schema}"
    if extension.version != extension.default:
        update = f"ALTER EXTENSION {name} UPDATE"
        return (
            Status.MISSING,
            f"{found}; the server's default version is {extension.default}",
            Fix(statements=(update,)),
        )
    return Status.OK, found, None


def _texts(facts: Facts, texts: StatementTexts) -> Check:
    """PostgreSQL converts each text to the client encoding; one that cannot be converted fails the query."""
    extension = (facts.extensions or {})["pg_stat_statements"]
    status, found, fix = Status.OK, f"{texts.texts} texts of {texts.entries} statements", None
    reset = Fix(
        statements=(f"SELECT {extension.schema_sql}.pg_stat_statements_reset()",),
        note=(
            "This also resets the counters. If a database that is not UTF-8 adds such texts again:"
            " ALTER DATABASE ... SET pg_stat_statements.track = 'none', for that database."
        ),
    )
    if texts.sqlstate in _NOT_CONVERTED:
        status, found, fix = Status.MISSING, texts.error, reset
    elif texts.error:
        status, found = Status.UNKNOWN, texts.error
        after = fixes.LIBRARIES if "shared_preload_libraries" in texts.error else ""
        fix = Fix(
            statements=() if after else (f"GRANT pg_monitor TO {facts.role_sql}",), after=after
        )
    elif texts.entries and not texts.texts:
        status, found, fix = (
            Status.MISSING,
            "all texts are NULL: the server lost the text file",
            reset,
        )
    return Check(
        name="statement_texts",
        title="The texts of pg_stat_statements can be read",
        status=status,
        found=found,
        impact="Texts of query metrics, of every database: both observers read all texts in one query.",
        fix=fix,
    )


def _query_ids(facts: Facts) -> Check:
    title = "Sessions and log lines have a query id"
    impact = "The link from a session, a log line or a plan to its query metrics, and to a trace."
    name = "query_id"
    if facts.version < FIRST_WITH_QUERY_ID:
        found = "PostgreSQL before 14 computes ids in pg_stat_statements only"
        return Check(name=name, title=title, status=Status.OK, found=found, impact=impact)
    if facts.has_query_id is None:
        return Check(
            name=name,
            title=title,
            status=Status.UNKNOWN,
            found=f"role {facts.role} may not read pg_stat_activity",
            impact=impact,
            fix=Fix(statements=(f"GRANT pg_monitor TO {facts.role_sql}",)),
        )
    return Check(
        name=name,
        title=title,
        status=Status.OK if facts.has_query_id else Status.MISSING,
        found="the doctor's session has one"
        if facts.has_query_id
        else "the doctor's session has none",
        impact=impact,
        fix=None if facts.has_query_id else fixes.setting(facts, "compute_query_id", "on"),
    )
