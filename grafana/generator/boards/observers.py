"""(7) Observers: the cost of each observer in the database, from pg_stat_statements."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.generator import style
from grafana.generator.board import OBSERVERS, Section, board, of_row
from grafana.generator.panels import HALF, THIRD, Panel, graph, note, number
from grafana.generator.source import Query
from grafana.generator.statements import per_statement
from grafana.generator.tables import Column, rows

ROLES = "|".join(style.OBSERVERS)
WATCHING = f'{{user=~"{ROLES}"}}'
BLOCK = 8192
# A role without statements has the cost 0, not unknown.
ZERO = (
    "clamp(max by (user) (label_replace("
    f'pg_roles_connection_limit{{rolname=~"{ROLES}"}}, "user", "$1", "rolname", "(.+)")), 0, 0)'
)
NO_ROLES = "These roles do not exist in this database"


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        OBSERVERS,
        "7 Observers",
        "The cost of Datadog's Agent, postgres_exporter and the lab itself in the database that"
        " they monitor:"
        " time, calls, blocks, sessions; and the resources of Prometheus.",
        Section(title="In this time range", panels=_figures()),
        Section(title="Cost in the database", panels=_database()),
        Section(title="Role by role", panels=[_roles(), _statements()]),
        Section(title="Cost outside the database", panels=_outside()),
    )


def _figures() -> list[Panel]:
    all_time = "sum(increase(pg_stat_statements_seconds_total[$__range]))"
    return [
        note(
            "How to read this",
            "Each observer has its own role, and pg_stat_statements counts by role, so these are the"
            " database's own figures for the cost of monitoring. *datadog_explain* is the Agent's EXPLAIN,"
            " *lab* the drills and verifications. Not included: the cost of the tracer in the services, the"
            " Agent's own CPU, and utility statements, which are not tracked.",
        ),
        *(
            number(
                f"{title}: share of execution time",
                f"Execution time of the statements of {role} as a share of that of all roles, in this time"
                " range. Above 5 %, tune the observer's interval and limits.",
                style.SHARE,
                Query(
                    expr=f'(sum(increase(pg_stat_statements_seconds_total{{user=~"{role}"}}'
                    f"[$__range])) or 0 * max(pg_up == 1)) / clamp_min({all_time}, 1e-9)"
                ),
                width=THIRD,
                thresholds=style.steps(0.05, 0.2),
                decimals=2,
            )
            for title, role in (
                ("Datadog", "datadog.*"),
                ("postgres_exporter", "postgres_exporter"),
                ("The lab", "lab"),
            )
        ),
    ]


def _database() -> list[Panel]:
    def by_role(title: str, description: str, unit: str, *metrics: str, factor: str = "") -> Panel:
        added = " + ".join(
            f"sum by (user) (rate(pg_stat_statements_{metric}{WATCHING}[$__rate_interval]))"
            for metric in metrics
        )
        return graph(
            title,
            description,
            unit,
            Query(expr=f"{factor}({added}) or on (user) {ZERO}", legend="{{user}}"),
            colours=style.OBSERVERS,
            width=HALF,
            empty=NO_ROLES,
        )

    return [
        by_role(
            "Execution time",
            "Seconds per second: the share of one session, or one core, that the observer uses.",
            style.SHARE,
            "seconds_total",
        ),
        by_role(
            "Statements",
            "Executions per second. A scrape is about a hundred statements in a burst; the Agent samples"
            " activity every second.",
            style.PER_SECOND,
            "calls_total",
        ),
        by_role(
            "Blocks touched",
            "Bytes per second, found in shared buffers or read. They compete with the application for"
            " the cache.",
            style.BYTES_PER_SECOND,
            "shared_blocks_hit_total",
            "shared_blocks_read_total",
            factor=f"{BLOCK} * ",
        ),
        graph(
            "Sessions held",
            "Connections of the observers' roles. They count towards max_connections; each role has its"
            " own limit.",
            style.COUNT,
            Query(
                expr="sum by (user) (label_replace(pg_stat_activity_count"
                f'{{usename=~"{ROLES}"}}, "user", "$1", "usename", "(.+)")) or on (user) {ZERO}',
                legend="{{user}}",
            ),
            colours=style.OBSERVERS,
            width=HALF,
            empty=NO_ROLES,
        ),
    ]


def _roles() -> Panel:
    def grown(metric: str) -> str:
        return f"sum by (user) (increase(pg_stat_statements_{metric}[$__range]))"

    return rows(
        "All roles",
        "The application for comparison. Growth in this time range.",
        Column(title="execution time", unit=style.SECONDS, expr=grown("seconds_total"), bar=True),
        Column(
            title="share of total",
            unit=style.SHARE,
            expr=f"{grown('seconds_total')} / on () group_left ()"
            " sum(increase(pg_stat_statements_seconds_total[$__range]))",
            decimals=2,
        ),
        Column(title="calls", unit=style.EXACT, expr=grown("calls_total"), decimals=0),
        Column(
            title="mean",
            unit=style.SECONDS,
            expr=f"{grown('seconds_total')} / ({grown('calls_total')} > 0)",
        ),
        Column(
            title="blocks touched",
            unit=style.BYTES,
            expr=f"{BLOCK} * ({grown('shared_blocks_hit_total')}"
            f" + {grown('shared_blocks_read_total')})",
        ),
        labels={"user": 240},
        sort="execution time",
        height=8,
    )


def _statements() -> Panel:
    roles = {"user": f'=~"{ROLES}"'}
    return rows(
        "The observers' statements",
        "By execution time, descending. Those of prometheus/exporter/queries.yaml have names;"
        " an unnamed one belongs to the exporter or the Agent: find its queryid in pg_stat_statements.",
        Column(
            title="execution time",
            unit=style.SECONDS,
            expr=per_statement("seconds_total", **roles),
            bar=True,
        ),
        Column(
            title="calls",
            unit=style.EXACT,
            expr=per_statement("calls_total", **roles),
            decimals=0,
        ),
        labels={"user": 180, "statement": 260, "service": 180, "queryid": 220},
        sort="execution time",
        links=of_row(),
        height=10,
    )


def _outside() -> list[Panel]:
    return [
        graph(
            "Duration of a scrape",
            "By job, the slowest target. The database's scrape runs its queries one after the"
            " other; at about"
            " 9 s it times out, and Prometheus has no data.",
            style.SECONDS,
            Query(expr="max by (job) (scrape_duration_seconds)", legend="{{job}}"),
            thresholds=style.steps(2, 9),
        ),
        graph(
            "Samples per scrape",
            "By job, all targets together. A growing number means a label with too many values.",
            style.COUNT,
            Query(expr="sum by (job) (scrape_samples_scraped)", legend="{{job}}"),
            stacked=True,
        ),
        graph(
            "Exporter: time of each collector",
            "Duration of each collector of the exporter.",
            style.SECONDS,
            Query(
                expr="max by (collector) (pg_scrape_collector_duration_seconds) and on (collector)"
                " topk(6, max by (collector)"
                " (avg_over_time(pg_scrape_collector_duration_seconds[$__range] @ end())))",
                legend="{{collector}}",
            ),
        ),
        graph(
            "Prometheus: series in memory",
            "Each costs some kilobytes. It grows with new queryids and with restarts of services.",
            style.COUNT,
            Query(expr="max(prometheus_tsdb_head_series)", legend="series"),
        ),
        graph(
            "Prometheus: bytes on disk",
            "Blocks and write-ahead log. PROMETHEUS_RETENTION_SIZE limits the blocks.",
            style.BYTES,
            Query(expr="max(prometheus_tsdb_storage_blocks_bytes)", legend="blocks"),
            Query(expr="max(prometheus_tsdb_wal_storage_size_bytes)", legend="log"),
            stacked=True,
        ),
        graph(
            "CPU of the exporter and of Prometheus",
            "Share of one core. The sum of the services is shown for comparison.",
            style.SHARE,
            Query(
                expr="sum by (job) (rate(process_cpu_seconds_total[$__rate_interval]))",
                legend="{{job}}",
            ),
        ),
    ]
