"""Questions about the database and the server as a whole."""

import json
from collections.abc import Iterator
from dataclasses import replace

from lab.compare.answers import Answer, Compared, Group, cannot
from lab.compare.questions.case import Case, Leg, counter, gauge_now, lag
from lab.compare.readings import Key
from lab.compare.received import Metric

SERVER = Group.SERVER
NEVER_ANALYZED = "the check has dead and live tuples, and no rows modified since ANALYZE"
COLUMNS = """SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND a.attnum > 0 AND NOT a.attisdropped"""
# pg_settings has it in kB, which are 1024 bytes.
KB_PER_MIB = 1024
MEMORY = "SELECT setting::numeric / 1024 FROM pg_settings WHERE name = 'work_mem'"
MONTHS_15_DAYS = 456.0


def compare(case: Case) -> Iterator[Compared]:
    """Yield transactions, input and output, sizes, settings, schema, age and retention of the data."""
    database = f'{{datname="{case.truth.database}"}}'
    tag = (f"db:{case.truth.database}",)
    for question, unit, key, series, metric in _counters(database, tag):
        yield counter(case, SERVER, question, unit, Leg(keys=(key,), series=series, datadog=metric))
    yield gauge_now(
        case, SERVER, "size of the database", "B", key=("size", "", "bytes"),
        series=f"pg_database_size_bytes{database}",
        datadog=Metric(name="postgresql.database_size", tags=tag), points=True,
    )  # fmt: skip
    yield _wraparound(case, database, tag)
    yield _modified(case)
    yield _settings(case)
    yield _schema(case)
    yield _lag(case)
    yield _retention(case)


def _counters(database: str, tag: tuple[str, ...]) -> Iterator[tuple[str, str, Key, str, Metric]]:
    own = "pg_stat_database_"
    for question, unit, column, series, metric in (
        ("transactions committed", "", "commits", "xact_commit", "postgresql.commits"),
        ("transactions rolled back", "", "rollbacks", "xact_rollback", "postgresql.rollbacks"),
        ("deadlocks", "", "deadlocks", "deadlocks", "postgresql.deadlocks.count"),
        ("bytes of temporary files", "B", "temp_bytes", "temp_bytes", "postgresql.temp_bytes"),
        ("time to read blocks", "ms", "read_ms", "blk_read_time", "postgresql.blk_read_time"),
        ("time to write blocks", "ms", "write_ms", "blk_write_time", "postgresql.blk_write_time"),
    ):
        yield (
            question,
            unit,
            ("database", "", column),
            f"{own}{series}{database}",
            Metric(name=metric, tags=tag),
        )
    for question, unit, column, series, metric in (
        ("WAL", "B", "wal_bytes", "pg_stat_wal_bytes_total", "postgresql.wal.bytes"),
        (
            "checkpoints, timed", "", "checkpoints_timed", "pg_stat_bgwriter_checkpoints_timed_total",
            "postgresql.bgwriter.checkpoints_timed",
        ),
        (
            "checkpoints, requested", "", "checkpoints_requested",
            "pg_stat_bgwriter_checkpoints_req_total", "postgresql.bgwriter.checkpoints_requested",
        ),
    ):  # fmt: skip
        yield question, unit, ("server", "", column), series, Metric(name=metric)


def _wraparound(case: Case, database: str, tag: tuple[str, ...]) -> Compared:
    """Transactions left before wraparound; the exporter has the age."""
    row = gauge_now(
        case, SERVER, "transactions left before wraparound", "", key=("size", "", "xids_left"),
        series=f"pg_database_wraparound_age_datfrozenxid_seconds{database}",
        datadog=Metric(name="postgresql.before_xid_wraparound", tags=tag),
    )  # fmt: skip
    expr = f"2147483647 - max(pg_database_wraparound_age_datfrozenxid_seconds{database})"
    return replace(row, prometheus=case.prometheus.ask(expr))


def _modified(case: Case) -> Compared:
    row = gauge_now(
        case, SERVER, "rows of installments modified since ANALYZE", "",
        key=("table", "installments", "modified"),
        series='pg_stat_user_tables_n_mod_since_analyze{relname="installments",schemaname="public"}',
        datadog=Metric(name="postgresql.dead_rows", tags=("table:none",)),
    )  # fmt: skip
    return replace(row, datadog=cannot(NEVER_ANALYZED))


def _settings(case: Case) -> Compared:
    sent = case.datadog.snapshot("pg_settings")
    settings = cannot(case.datadog.trouble or "no settings were sent")
    if sent:
        kilobytes = json.loads(sent.payload).get("work_mem", "")
        if kilobytes.isdecimal():
            settings = case.datadog.answer(
                float(kilobytes) / KB_PER_MIB, resolution_s=600.0, at_ns=sent.at_ns
            )
    return Compared(
        group=SERVER,
        question="work_mem",
        unit="MiB",
        truth=case.truth.answer(MEMORY),
        prometheus=case.prometheus.ask("max(pg_settings_work_mem_bytes) / 1048576"),
        datadog=settings,
    )


def _schema(case: Case) -> Compared:
    sent = case.datadog.tables()
    columns = sum(len(json.loads(table.payload)["columns"]) for table in sent)
    return Compared(
        group=SERVER,
        question="columns of the tables",
        unit="",
        truth=case.truth.answer(COLUMNS),
        prometheus=cannot("the exporter has no schema"),
        datadog=case.datadog.answer(float(columns), resolution_s=600.0, at_ns=sent[0].at_ns)
        if sent
        else cannot(case.datadog.trouble or "no schema was sent"),
    )


def _lag(case: Case) -> Compared:
    found = case.prometheus.gauge("pg_up")
    sent = case.datadog.gauge(Metric(name="postgresql.uptime"))
    return lag(
        SERVER,
        "server",
        (found and found[0], case.prometheus.trouble or "no scrape in the window"),
        (sent and sent[0], case.datadog.trouble or "no Agent sent metrics in the window"),
    )


def _retention(case: Case) -> Compared:
    """How long data are kept: Prometheus' flag, and Datadog's documented retention of metrics."""
    days = case.prometheus.retention_days()
    return Compared(
        group=SERVER,
        question="retention of metrics",
        unit="d",
        truth=cannot("each stack's own setting"),
        prometheus=Answer(value=days, where="--storage.tsdb.retention.time")
        if days is not None
        else cannot(case.prometheus.trouble or "it does not report its retention"),
        datadog=Answer(
            value=MONTHS_15_DAYS,
            where="documented: 15 months for metrics, 15 days for samples and plans",
        ),
    )
