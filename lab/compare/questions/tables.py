"""Questions about tables; the truth is in PostgreSQL's own counters, which attempts of writes increase."""

from collections.abc import Iterator

from lab.compare.answers import Compared, Group
from lab.compare.questions.case import Case, Leg, counter, gauge_now, percent_of_both
from lab.compare.received import Metric

TABLES = ("credit_proposals", "installments", "credit_transactions")
# Question -> column of the truth, series, the Agent's metric.
COUNTERS = {
    "rows inserted into": ("inserted", "n_tup_ins", "postgresql.rows_inserted"),
    "rows updated in": ("updated", "n_tup_upd", "postgresql.rows_updated"),
    "rows read by sequential scans of": (
        "rows_scanned", "seq_tup_read", "postgresql.seq_rows_read",
    ),
}  # fmt: skip
GAUGES = {
    "dead tuples of": ("dead", "n_dead_tup", "postgresql.dead_rows"),
    "live tuples of": ("live", "n_live_tup", "postgresql.live_rows"),
}


def compare(case: Case) -> Iterator[Compared]:
    """Yield rows, tuples, cache hits and sizes of three tables."""
    for table in TABLES:
        for question, (column, series, metric) in COUNTERS.items():
            yield counter(case, Group.TABLES, f"{question} {table}", "", Leg(
                keys=(("table", table, column),),
                series=f'pg_stat_user_tables_{series}{{relname="{table}",schemaname="public"}}',
                datadog=Metric(name=metric, tags=(f"table:{table}",)),
            ))  # fmt: skip
        for question, (column, series, metric) in GAUGES.items():
            yield gauge_now(
                case, Group.TABLES, f"{question} {table}", "",
                key=("table", table, column),
                series=f'pg_stat_user_tables_{series}{{relname="{table}",schemaname="public"}}',
                datadog=Metric(name=metric, tags=(f"table:{table}",)),
                points=column == "dead",
            )  # fmt: skip
        yield _hits(case, table)
        yield _size(case, table)
    yield _autovacuums(case)
    yield _deleted(case)


def _hits(case: Case, table: str) -> Compared:
    def leg(column: str, blocks: str) -> Leg:
        return Leg(
            keys=(("table", table, column),),
            series=f'pg_statio_user_tables_heap_blocks_{blocks}{{relname="{table}",schemaname="public"}}',
            datadog=Metric(
                name="postgresql.heap_blocks_hit"
                if blocks == "hit"
                else "postgresql.heap_blocks_read",
                tags=(f"table:{table}",),
            ),
        )

    return counter(
        case, Group.TABLES, f"cache hits in blocks requested of {table}", "%", leg("hits", "hit"),
        leg("reads", "read"), formula=percent_of_both,
    )  # fmt: skip


def _size(case: Case, table: str) -> Compared:
    where = f'{{relname="{table}",schemaname="public"}}'
    return gauge_now(
        case, Group.TABLES, f"size of {table} with its indexes", "B",
        key=("size", table, "bytes"),
        series=f'{{__name__=~"pg_stat_user_tables_(table_|index_)?size_bytes",{where[1:]}',
        datadog=Metric(name="postgresql.total_size", tags=(f"table:{table}",)),
    )  # fmt: skip


def _autovacuums(case: Case) -> Compared:
    names = sorted(case.readings.names("table"))
    return counter(case, Group.TABLES, "runs of autovacuum, all tables", "", Leg(
        keys=tuple(("table", name, "autovacuums") for name in names),
        series='pg_stat_user_tables_autovacuum_count{schemaname="public"}',
        datadog=Metric(name="postgresql.autovacuumed", tags=("schema:public",)),
    ))  # fmt: skip


def _deleted(case: Case) -> Compared:
    return counter(case, Group.TABLES, "rows deleted from audit_log", "", Leg(
        keys=(("table", "audit_log", "deleted"),),
        series='pg_stat_user_tables_n_tup_del{relname="audit_log",schemaname="public"}',
        datadog=Metric(name="postgresql.rows_deleted", tags=("table:audit_log",)),
    ))  # fmt: skip
