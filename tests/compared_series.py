"""What a real Prometheus knows of the minute of tests/compared.py: samples that promtool writes as blocks."""

from collections.abc import Iterator, Mapping

from lab.foundation.settings import LabSettings
from tests.evidence import START
from tests.fix_prometheus import Prepare, backfill

S = 1_000_000_000
PUBLIC = 'schemaname="public"'
ROLES = ("postgres_exporter", "datadog", "lab")
TABLES = ("credit_proposals", "installments", "credit_transactions", "audit_log")
Rates = Iterator[tuple[str, float]]
CONSTANT = {
    "credit_load_multiplier": 1.0,
    "pg_up": 1.0,
    'pg_stat_activity_count{usename="credit_app",state="active"}': 6.0,
    'pg_stat_activity_count{usename="credit_app",state="idle in transaction"}': 2.0,
    'pg_stat_activity_count{usename="postgres_exporter",state="active"}': 1.0,
    "instance:pg_connections_used:ratio": 0.25,
    "pg_blocked_sessions_count": 4.0,
    'pg_stat_activity_max_tx_duration{state="active"}': 50.0,
    'pg_stat_activity_max_tx_duration{state="disabled"}': 500.0,
    "pg_process_idle_seconds_sum": 30.0,
    "pg_process_idle_seconds_count": 4.0,
    'wait_event:pg_active_sessions:sum{wait_event_type="Lock",wait_event="tuple"}': 2.0,
    'wait_event:pg_active_sessions:sum{wait_event_type="IO",wait_event="DataFileRead"}': 1.0,
    'pg_roles_connection_limit{rolname="credit_app"}': 80.0,
    f'pg_stat_user_tables_n_dead_tup{{relname="installments",{PUBLIC}}}': 250.0,
    f'pg_stat_user_tables_n_live_tup{{relname="installments",{PUBLIC}}}': 260.0,
    f'pg_stat_user_tables_n_mod_since_analyze{{relname="installments",{PUBLIC}}}': 270.0,
    f'pg_stat_user_tables_table_size_bytes{{relname="installments",{PUBLIC}}}': 400.0,
    f'pg_stat_user_tables_index_size_bytes{{relname="installments",{PUBLIC}}}': 290.0,
    "pg_settings_work_mem_bytes": 4_194_304.0,
}


def of_services(services: Mapping[str, int], statement: str) -> Rates:
    """Operations, durations and waits of each service; histograms of one."""
    for service, factor in services.items():
        own = f'service="{service}"'
        yield f'credit_operations_total{{job="credit",{own},outcome="ok"}}', 2.0 * factor
        yield f'credit_operations_total{{job="credit",{own},outcome="error"}}', 0.5 * factor
        for metric, labels in (
            ("operation_duration", own), ("pool_wait", own),
            ("statement_duration", f'{own},statement="{statement}"'),
        ):  # fmt: skip
            yield f"credit_{metric}_seconds_sum{{{labels}}}", 0.5 * factor
            yield f"credit_{metric}_seconds_count{{{labels}}}", 2.0 * factor
    for metric, labels in (
        ("operation_duration", 'service="credit-risk"'), ("start_delay", 'service="credit-risk"'),
        ("statement_duration", f'statement="{statement}"'),
    ):  # fmt: skip
        # Of ten durations nine are below 0.5 s, and one is between 0.5 and 1 s.
        for le, rate in (("0.5", 9.0), ("1.0", 10.0), ("+Inf", 10.0)):
            yield f'credit_{metric}_seconds_bucket{{{labels},le="{le}"}}', rate


def of_statements(queryids: Mapping[str, int]) -> Rates:
    """Statements of the application, the first with least; and all those of the observers' roles."""
    for number, queryid in enumerate(queryids.values(), start=1):
        labels = f'user="credit_app",queryid="{queryid}"'
        yield f"pg_stat_statements_calls_total{{{labels}}}", 2.0 * number
        yield f"pg_stat_statements_seconds_total{{{labels}}}", 0.004 * number
        yield f"pg_stat_statements_rows_total{{{labels}}}", 6.0 * number
        yield f"pg_stat_statements_shared_blocks_hit_total{{{labels}}}", 8.0 * number
    for role in ROLES:
        yield f'pg_stat_statements_calls_total{{user="{role}"}}', 5.0
        yield f'pg_stat_statements_seconds_total{{user="{role}"}}', 0.006


def of_server(database: str) -> Rates:
    """Tables, the database, and the server."""
    for table in TABLES:
        labels = f'relname="{table}",{PUBLIC}'
        for column in ("n_tup_ins", "n_tup_upd", "n_tup_del", "seq_tup_read", "autovacuum_count"):
            yield f"pg_stat_user_tables_{column}{{{labels}}}", 1.5
        yield f"pg_statio_user_tables_heap_blocks_hit{{{labels}}}", 3.0
        yield f"pg_statio_user_tables_heap_blocks_read{{{labels}}}", 1.0
    for column in (
        "xact_commit", "xact_rollback", "deadlocks", "temp_bytes", "blk_read_time", "blk_write_time",
    ):  # fmt: skip
        yield f'pg_stat_database_{column}{{datname="{database}"}}', 2.5
    yield "pg_stat_wal_bytes_total", 0.5
    yield "pg_stat_bgwriter_checkpoints_timed_total", 0.5
    yield "pg_stat_bgwriter_checkpoints_req_total", 0.5


def prepared(
    settings: LabSettings, services: Mapping[str, int], queryids: Mapping[str, int], statement: str
) -> Prepare:
    """Return what writes samples each 10 s before Prometheus starts, 5 s from the ends of the minute."""
    own = f'{{datname="{settings.postgres_db}"}}'
    constant = {
        **CONSTANT,
        f"pg_database_size_bytes{own}": 8000.0,
        f"pg_database_wraparound_age_datfrozenxid_seconds{own}": 147_483_647.0,
    }
    rates = {
        **dict(of_services(services, statement)),
        **dict(of_statements(queryids)),
        **dict(of_server(settings.postgres_db)),
    }
    times = range(5, 56, 10)
    lines = [
        f"{name} {1000 + rate * at} {START // S + at}"
        for name, rate in rates.items()
        for at in times
    ]
    lines += [
        f"{name} {value} {START // S + at}" for name, value in constant.items() for at in times
    ]
    return backfill(settings, lines)
