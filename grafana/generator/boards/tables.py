"""(4) Tables: the application's counters compared with the database's, caches, scans, dead tuples, vacuum."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.generator import style
from grafana.generator.board import QUERIES, TABLES, Section, board, choose, to_board, to_table
from grafana.generator.panels import HALF, QUARTER, WHOLE, Panel, graph, link, note, number
from grafana.generator.source import Query, grown_by
from grafana.generator.tables import Column, rows

CHOSEN = 'schemaname="public", relname=~"$table"'
INDEXED = 'relname=~"$table"'
UNNEEDED = f'{INDEXED}, kind="plain"'
VERBS = {"insert": "INSERT", "update": "UPDATE", "delete": "DELETE"}
COUNTERS = {"insert": "n_tup_ins", "update": "n_tup_upd", "delete": "n_tup_del"}
SIZE = 'sum by (table) (table:pg_total_size_bytes:sum{table=~"$table"})'
NOW, OVERALL = "rate({}[$__rate_interval])", "increase({}[$__range]) / $__range_s"
# The later of the two: by autovacuum, or by a person.
LAST_VACUUM = (
    f"(pg_stat_user_tables_last_autovacuum{{{CHOSEN}}} > pg_stat_user_tables_last_vacuum{{{CHOSEN}}}"
    f" or pg_stat_user_tables_last_vacuum{{{CHOSEN}}})"
)


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        TABLES,
        "4 Tables",
        "Rows written as counted by the application and by the database, cache hits, scans, dead tuples,"
        " vacuum and size, for each table.",
        Section(title="Rows written: application and database", panels=_correlation()),
        Section(title="All tables, in this time range", panels=[_summary()]),
        Section(title="Cache and scans", panels=_reading()),
        Section(title="Dead tuples and vacuum", panels=_vacuum()),
        Section(title="Size", panels=_size(), collapsed=True),
        Section(title="Indexes", panels=[_indexes()], collapsed=True),
        variables=[
            choose(
                "table",
                "Table",
                'label_values(pg_stat_user_tables_n_live_tup{schemaname="public"}, relname)',
                "Tables to show",
            )
        ],
    )


def _written(growth: str, *actions: str) -> tuple[str, str]:
    """Return rows written per second by (table, action): of the database, and of the application.

    Args:
        growth: PromQL of a counter's growth per second, with `{}` in place of the counter.
        actions: insert, update, delete.
    """

    def in_database_by(action: str) -> str:
        grown = growth.format(f"pg_stat_user_tables_{COUNTERS[action]}{{{CHOSEN}}}")
        named = f'label_replace({grown}, "table", "$1", "relname", "(.+)")'
        return f'sum by (table, action) (label_replace({named}, "action", "{action}", "", ""))'

    in_database = f"({' or '.join(map(in_database_by, actions))})"
    chosen = f'table=~"$table", action=~"{"|".join(actions)}"'
    own = growth.format(f"credit_rows_attempted_total{{{chosen}}}")
    # A table and action that no service writes: the application's side is 0.
    return in_database, f"(sum by (table, action) ({own}) or 0 * {in_database})"


def _correlation() -> list[Panel]:
    in_database, by_application = _written(OVERALL, *VERBS)
    difference = f"sum({in_database} - {by_application})"
    database, application = _written(NOW, *VERBS)
    return [
        note(
            "How to read this",
            "The services count each row they try to write; PostgreSQL counts the same rows in"
            " `n_tup_ins`, `n_tup_upd` and `n_tup_del`, rolled back or not. The two are equal, one to"
            " one. Scrapes at different moments make them differ for seconds; the averages are equal."
            " **A lasting difference has another writer:** the seed, a drill, psql."
            " `./creditlab verify` compares them exactly, row by row.",
        ),
        number(
            "Rows written: database",
            "Rows per second counted by PostgreSQL, mean of this time range.",
            style.ROWS_PER_SECOND,
            Query(expr=f"sum({in_database})"),
            width=QUARTER,
            decimals=2,
        ),
        number(
            "Rows written: application",
            "Rows per second counted by the services, mean of this time range.",
            style.ROWS_PER_SECOND,
            Query(expr=f"sum({by_application})"),
            width=QUARTER,
            decimals=2,
        ),
        number(
            "Difference",
            "Rows per second counted by the database and by no service, mean of this time range. 0 is"
            " expected. Above it: a seed or a drill. Below: the database lost its counters in a crash.",
            style.ROWS_PER_SECOND,
            Query(expr=difference),
            width=QUARTER,
            decimals=3,
        ),
        number(
            "Difference as a share",
            "The absolute difference as a share of the database's count. Under 5 % is the noise of"
            " two scrapes at two moments; in the lab's first minutes it may be more.",
            style.SHARE,
            Query(expr=f"abs({difference}) / clamp_min(sum({in_database}), 1e-9)"),
            width=QUARTER,
            thresholds=style.steps(0.05, 0.2),
            decimals=2,
        ),
        *(_beside(action, verb) for action, verb in VERBS.items()),
        graph(
            "Difference by table and action",
            "Database minus application, rows per second. Spikes that cancel out are due to scrapes at"
            " different moments; a plateau is a writer other than the services.",
            style.ROWS_PER_SECOND,
            Query(expr=f"{database} - {application}", legend="{{table}}: {{action}}"),
            width=WHOLE,
            signed=True,
        ),
    ]


def _beside(action: str, verb: str) -> Panel:
    sides = zip(style.SIDES, _written(NOW, action), strict=True)
    return graph(
        f"{verb}: application and database",
        "Rows per second. Equal lines: only the services write. The database"
        " alone: another writer. The application alone: statistics were reset.",
        style.ROWS_PER_SECOND,
        *(Query(expr=f"sum({side})", legend=legend) for legend, side in sides),
        colours=style.SIDES,
    )


def _summary() -> Panel:
    def of(metric: str) -> str:
        return _by_table(f"pg_stat_user_tables_{metric}{{{CHOSEN}}}")

    def grown(metric: str) -> str:
        return _by_table(f"increase(pg_stat_user_tables_{metric}{{{CHOSEN}}}[$__range])")

    per_row = f"{SIZE} / ({of('n_live_tup')} > 0)"
    return rows(
        "Tables",
        "The state of each table now, and its changes in this time range. *per row* are bytes with"
        " indexes and dead space; *grown* is the share of them that was not there when the table was"
        " densest in this time range: an estimate of bloat. Click a name to see it alone.",
        Column(
            title="size",
            unit=style.BYTES,
            expr=SIZE,
            bar=True,
        ),
        Column(
            title="per row",
            unit=style.BYTES,
            expr=per_row,
            decimals=0,
        ),
        Column(
            title="grown",
            unit=style.SHARE,
            expr=f"1 - min_over_time(({per_row})[$__range:1m]) / ({per_row})",
            thresholds=style.steps(0.3, 0.6),
            decimals=1,
        ),
        Column(title="live rows", unit=style.EXACT, expr=of("n_live_tup"), decimals=0),
        Column(title="dead tuples", unit=style.EXACT, expr=of("n_dead_tup"), decimals=0),
        Column(
            title="dead share",
            unit=style.SHARE,
            expr=f"{of('n_dead_tup')} / clamp_min({of('n_dead_tup')} + {of('n_live_tup')}, 1)",
            thresholds=style.steps(0.1, 0.2),
            decimals=1,
        ),
        Column(title="inserted", unit=style.EXACT, expr=grown("n_tup_ins"), decimals=0),
        Column(title="updated", unit=style.EXACT, expr=grown("n_tup_upd"), decimals=0),
        Column(title="deleted", unit=style.EXACT, expr=grown("n_tup_del"), decimals=0),
        Column(title="seq scans", unit=style.EXACT, expr=grown("seq_scan"), decimals=0),
        Column(title="idx scans", unit=style.EXACT, expr=grown("idx_scan"), decimals=0),
        Column(
            title="cache hits",
            unit=style.SHARE,
            expr='table:pg_heap_cache_hit:ratio_rate5m{table=~"$table"}',
            thresholds=style.falling(0.9, 0.95),
            decimals=1,
        ),
        Column(
            title="last vacuum",
            unit=style.TIME,
            expr=f"1000 * ({_by_table(LAST_VACUUM)} > 0)",
        ),
        Column(title="vacuums", unit=style.EXACT, expr=grown("autovacuum_count"), decimals=0),
        labels={"table": 170},
        sort="size",
        links={"table": [link("Only this table", to_table())]},
        height=13,
    )


def _reading() -> list[Panel]:
    unread = "No reads of these tables in the last five minutes"
    return [
        graph(
            "Cache hit ratio of tables",
            "Share of a table's blocks that were found in shared buffers, over five minutes. A table"
            " without reads has no ratio. Below 95 % for long: too little memory or too large a scan.",
            style.SHARE,
            Query(expr='table:pg_heap_cache_hit:ratio_rate5m{table=~"$table"}', legend="{{table}}"),
            width=HALF,
            empty=unread,
            colours=style.TABLES,
            begins_at=0.9,
        ),
        graph(
            "Cache hit ratio of indexes",
            "The same for the tables' indexes, which almost every statement reads: below 99 % is"
            " already slow.",
            style.SHARE,
            Query(
                expr='table:pg_index_cache_hit:ratio_rate5m{table=~"$table"}', legend="{{table}}"
            ),
            width=HALF,
            empty=unread,
            colours=style.TABLES,
            begins_at=0.9,
        ),
        graph(
            "Rows read by sequential scans",
            "Rows per second. A surge on a large table is a missing or unused index: find the statement"
            " by its blocks on the queries dashboard, its plan in Datadog DBM.",
            style.ROWS_PER_SECOND,
            Query(expr=_by_table(_rate("seq_tup_read")), legend="{{table}}"),
            links=[link("Queries", to_board(QUERIES))],
            height=10,
            colours=style.TABLES,
        ),
        graph(
            "Sequential scans",
            "Scans per second. Normal on small tables such as credit_products; on a large one each scan"
            " reads everything.",
            style.PER_SECOND,
            Query(expr=_by_table(_rate("seq_scan")), legend="{{table}}"),
            height=10,
            colours=style.TABLES,
        ),
        graph(
            "Index scans",
            "Scans per second. When they fall while sequential scans rise, the planner no longer uses an"
            " index: run ANALYZE, then compare the plans.",
            style.PER_SECOND,
            Query(expr=_by_table(_rate("idx_scan")), legend="{{table}}"),
            height=10,
            colours=style.TABLES,
        ),
    ]


def _vacuum() -> list[Panel]:
    return [
        graph(
            "Dead tuples",
            "Old versions of rows that vacuum has not yet removed. A sawtooth is normal. A line that"
            " only rises: vacuum cannot keep up, or an old transaction holds it back (see the longest"
            " transaction on the sessions dashboard).",
            style.COUNT,
            Query(
                expr=_by_table(f"pg_stat_user_tables_n_dead_tup{{{CHOSEN}}}"), legend="{{table}}"
            ),
            height=10,
            colours=style.TABLES,
        ),
        graph(
            "Autovacuum runs",
            "Completed runs. None while dead tuples rise: check for long transactions"
            " and at autovacuum_max_workers.",
            style.COUNT,
            Query(
                expr=_by_table(grown_by(f"pg_stat_user_tables_autovacuum_count{{{CHOSEN}}}")),
                legend="{{table}}",
            ),
            bars=True,
            stacked=True,
            height=10,
            colours=style.TABLES,
        ),
        graph(
            "Rows changed since ANALYZE",
            "These changes are not yet in the planner's statistics. A line that only rises means plans"
            " from stale statistics.",
            style.COUNT,
            Query(
                expr=_by_table(f"pg_stat_user_tables_n_mod_since_analyze{{{CHOSEN}}}"),
                legend="{{table}}",
            ),
            height=10,
            colours=style.TABLES,
        ),
        graph(
            "Share of updates that stay on their page (HOT)",
            "HOT updates change no index. Low on an update-heavy table: an"
            " index on a changed column, or full pages (fillfactor).",
            style.SHARE,
            Query(
                expr=f"{_by_table(_rate('n_tup_hot_upd'))} / ({_by_table(_rate('n_tup_upd'))} > 0)",
                legend="{{table}}",
            ),
            width=HALF,
            empty="No updates of these tables",
            colours=style.TABLES,
        ),
        graph(
            "Time since the last vacuum",
            "By autovacuum or by a person. It falls to 0 at each vacuum; a line that only rises beside dead"
            " tuples is a vacuum that cannot run or finish. A table that was never vacuumed has no line.",
            style.SECONDS,
            Query(expr=f"time() - ({_by_table(LAST_VACUUM)} > 0)", legend="{{table}}"),
            width=HALF,
            empty="None of these tables was vacuumed",
            colours=style.TABLES,
        ),
    ]


def _size() -> list[Panel]:
    return [
        graph(
            "Size on disk",
            "Table, TOAST data and indexes. Retention keeps it constant; growth without more live rows is"
            " bloat.",
            style.BYTES,
            Query(expr=SIZE, legend="{{table}}"),
            width=HALF,
            stacked=True,
            colours=style.TABLES,
        ),
        graph(
            "Live rows",
            "As PostgreSQL estimates them.",
            style.COUNT,
            Query(
                expr=_by_table(f"pg_stat_user_tables_n_live_tup{{{CHOSEN}}}"), legend="{{table}}"
            ),
            width=HALF,
            colours=style.TABLES,
        ),
    ]


def _rate(metric: str) -> str:
    return f"rate(pg_stat_user_tables_{metric}{{{CHOSEN}}}[$__rate_interval])"


def _indexes() -> Panel:
    def of(metric: str) -> str:
        return f"max by (relname, indexrelname, kind) (pg_index_{metric}{{{INDEXED}}})"

    grown = f"increase(pg_index_scans_total{{{INDEXED}}}[$__range])"
    return rows(
        "Indexes",
        "Each index makes every write dearer. Without *scans* since the last reset of the statistics, and"
        " not unique: no statement reads it (standbys count their own). *twins*: other indexes with"
        " the same columns and condition that make it superfluous.",
        Column(title="size", unit=style.BYTES, expr=of("size_bytes"), bar=True),
        Column(title="scans", unit=style.EXACT, expr=of("scans_total"), decimals=0),
        Column(
            title="in this range",
            unit=style.EXACT,
            expr=f"max by (relname, indexrelname, kind) ({grown})",
            decimals=0,
        ),
        Column(
            title="unused",
            unit=style.COUNT,
            expr=f"{of('scans_total').replace(INDEXED, UNNEEDED)} == bool 0",
            thresholds=style.steps(1),
            decimals=0,
        ),
        Column(
            title="twins",
            unit=style.COUNT,
            expr=of("twins"),
            thresholds=style.steps(1),
            decimals=0,
        ),
        labels={"relname": 190, "indexrelname": 300, "kind": 90},
        sort="size",
        height=13,
    )


def _by_table(expr: str) -> str:
    """Return it summed under the label `table`, as in the application's metrics."""
    return f'sum by (table) (label_replace({expr}, "table", "$1", "relname", "(.+)"))'
