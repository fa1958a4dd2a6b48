"""Questions about sessions, tables and the server; the truth is in PostgreSQL's own views."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lab.compare.answers import Answer, Compared, cannot
from lab.compare.intake import Datadog, Metric
from lab.compare.side import Prometheus, Truth

OWN = "datname = current_database()"
# The Agent sends PostgreSQL's totals as increases per second.
RATES_ONLY = "the Agent sends it as a rate, without the total"
HIT_RATIO = (
    '100 * pg_statio_user_tables_heap_blocks_hit{relname="TABLE"}'
    ' / (pg_statio_user_tables_heap_blocks_hit{relname="TABLE"}'
    ' + pg_statio_user_tables_heap_blocks_read{relname="TABLE"})'
)
# A session has samples only of scrapes at which it existed: the sum is divided by the number of scrapes.
ACTIVE = (
    'sum(sum_over_time(pg_stat_activity_count{state="active", usename!="postgres_exporter"}[WINDOW]))'
    " / max(count_over_time(pg_up[WINDOW]))"
)
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
WRITES = {
    "insert": ("n_tup_ins", "postgresql.rows_inserted"),
    "update": ("n_tup_upd", "postgresql.rows_updated"),
    "delete": ("n_tup_del", "postgresql.rows_deleted"),
}
TABLES = ("credit_proposals", "installments", "credit_transactions")


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """A question with one number of PostgreSQL, one PromQL expression, and one Agent metric, if any."""

    question: str
    unit: str
    sql: str
    expr: str
    metric: Metric | None = None


def _of_database(column: str) -> str:
    return f"SELECT {column} FROM pg_stat_database WHERE {OWN}"


COUNTED = (
    _Counted(
        question="connections of clients, now",
        unit="",
        sql="SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'",
        expr='sum(pg_stat_activity_count{backend_type="client backend"})',
        metric=Metric(name="postgresql.connections"),
    ),
    _Counted(
        question="transactions committed, total",
        unit="",
        sql=_of_database("xact_commit"),
        expr='pg_stat_database_xact_commit{datname="%(database)s"}',
    ),
    _Counted(
        question="transactions rolled back, total",
        unit="",
        sql=_of_database("xact_rollback"),
        expr='pg_stat_database_xact_rollback{datname="%(database)s"}',
    ),
    _Counted(
        question="deadlocks, total",
        unit="",
        sql=_of_database("deadlocks"),
        expr='pg_stat_database_deadlocks{datname="%(database)s"}',
    ),
    _Counted(
        question="bytes of temporary files, total",
        unit="B",
        sql=_of_database("temp_bytes"),
        expr='pg_stat_database_temp_bytes{datname="%(database)s"}',
    ),
    _Counted(
        question="size of the database",
        unit="B",
        sql="SELECT pg_database_size(current_database())",
        expr='pg_database_size_bytes{datname="%(database)s"}',
        metric=Metric(name="postgresql.database_size", tag="db:%(database)s"),
    ),
    *(
        _Counted(
            question=f"{question} of {table}",
            unit=unit,
            sql=f"SELECT {sql} FROM pg_stat_user_tables JOIN pg_statio_user_tables USING (relid)"
            f" WHERE pg_stat_user_tables.relname = '{table}'",
            expr=expr.replace("TABLE", table),
            metric=Metric(name=metric, tag=f"table:{table}") if metric else None,
        )
        for table in TABLES
        for question, unit, sql, expr, metric in (
            (
                "dead tuples",
                "",
                "n_dead_tup",
                'pg_stat_user_tables_n_dead_tup{relname="TABLE"}',
                "postgresql.dead_rows",
            ),
            (
                "cache hits in blocks requested",
                "%",
                "100.0 * heap_blks_hit / nullif(heap_blks_hit + heap_blks_read, 0)",
                HIT_RATIO,
                None,
            ),
        )
    ),
)


def compare(truth: Truth, prometheus: Prometheus, datadog: Datadog) -> Iterator[Compared]:
    """Yield the questions about the database as a whole, its tables and its sessions."""
    for one in COUNTED:
        yield Compared(
            question=one.question,
            unit=one.unit,
            truth=truth.answer(one.sql, where="./creditlab psql"),
            prometheus=prometheus.ask(one.expr.replace("%(database)s", truth.database)),
            datadog=_metric(one.metric, truth, datadog),
        )
    yield from _writes(truth, prometheus, datadog)
    yield from _sessions(truth, prometheus, datadog)
    yield from _metadata(truth, prometheus, datadog)


def _metric(metric: Metric | None, truth: Truth, datadog: Datadog) -> Answer:
    if metric is None:
        return cannot(RATES_ONLY)
    return datadog.metric(replace(metric, tag=metric.tag.replace("%(database)s", truth.database)))


def _writes(truth: Truth, prometheus: Prometheus, datadog: Datadog) -> Iterator[Compared]:
    """Rows written in the window, as attempted: the application and PostgreSQL count the same."""
    window = f"{truth.window_s:.0f}s"
    for action, (column, metric) in WRITES.items():
        reported = prometheus.by_label(
            f'sum by (relname) (increase(pg_stat_user_tables_{column}{{schemaname="public"}}[{window}]))',
            "relname",
        )
        own = truth.grown(f'credit_rows_attempted_total{{action="{action}"}}', "table")
        for table in (table for table in TABLES if own.get(table)):
            yield Compared(
                question=f"rows of {table} by {action}",
                unit="",
                truth=Answer(value=own[table], resolution_s=5.0, where="the services' /metrics"),
                prometheus=prometheus.answer(reported.get(table, 0.0)),
                datadog=datadog.metric(Metric(name=metric, tag=f"table:{table}", total=True)),
            )


def _sessions(truth: Truth, prometheus: Prometheus, datadog: Datadog) -> Iterator[Compared]:
    """The mean of active sessions is exact in pg_stat_database since PostgreSQL 14; activity is sampled."""
    window = f"{truth.window_s:.0f}s"
    active = prometheus.ask(f"sum(rate(pg_stat_database_active_time_seconds_total[{window}]))")
    rounds = datadog.rounds
    found = sum(
        s.backend_type == "client backend" and s.state == "active" for s in datadog.activity
    )
    newest = max((r.at_ns for r in rounds), default=None)
    interval_s = next((r.interval_s for r in rounds if r.interval_s), 1.0)
    sampled = prometheus.ask(ACTIVE.replace("WINDOW", window))
    yield Compared(
        question="active sessions, mean",
        unit="",
        truth=replace(active, where="pg_stat_database.active_time"),
        prometheus=sampled,
        datadog=datadog.answer(found / len(rounds), resolution_s=interval_s, at_ns=newest)
        if rounds
        else cannot("the sessions were not sampled in the window"),
    )
    waiting = truth.answer(BLOCKED)
    if isinstance(waiting.value, float):
        waiting = replace(waiting, value=f"{waiting.value:.0f} sessions wait")
    now = [sample for sample in datadog.last_samples if sample.blocking_pids]
    pairs = ", ".join(f"{s.pid} by {' '.join(map(str, s.blocking_pids))}" for s in now)
    yield Compared(
        question="blocking sessions, now",
        unit="",
        truth=waiting,
        prometheus=cannot("it counts waiting sessions; no series has the blocking ones"),
        datadog=datadog.answer(pairs or "none", resolution_s=interval_s, at_ns=newest),
    )


def _metadata(truth: Truth, prometheus: Prometheus, datadog: Datadog) -> Iterator[Compared]:
    memory = "SELECT setting::bigint * 1024 FROM pg_settings WHERE name = 'work_mem'"
    sent = datadog.snapshot("pg_settings")
    settings = cannot("no settings were sent")
    if sent:
        kilobytes = json.loads(sent.payload).get("work_mem", "")
        if kilobytes.isdecimal():
            settings = datadog.answer(float(kilobytes) * 1024, resolution_s=600.0, at_ns=sent.at_ns)
    yield Compared(
        question="work_mem",
        unit="B",
        truth=truth.answer(memory),
        prometheus=prometheus.ask("max(pg_settings_work_mem_bytes)"),
        datadog=settings,
    )
    columns = """SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
          AND a.attnum > 0 AND NOT a.attisdropped"""
    tables = [json.loads(table.payload)["columns"] for table in datadog.tables()]
    yield Compared(
        question="columns of the tables",
        unit="",
        truth=truth.answer(columns),
        prometheus=cannot("the exporter has no schema"),
        datadog=datadog.answer(
            float(sum(map(len, tables))), resolution_s=600.0, at_ns=datadog.tables()[0].at_ns
        )
        if tables
        else cannot("no schema was sent"),
    )
