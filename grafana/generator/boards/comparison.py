"""(8) Comparison: statements as postgres_exporter, Database Monitoring and the application report them.

The application is the third witness: it counts its own statements, so it decides which observer is right.
"""

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.generator import style
from grafana.generator.board import (
    COMPARISON,
    QUERIES,
    Section,
    board,
    in_console,
    in_dbm,
    to_board,
    to_statement,
)
from grafana.generator.panels import HALF, QUARTER, WHOLE, Panel, graph, link, note, number
from grafana.generator.source import Query
from grafana.generator.tables import Column, rows

NAMES = "max by (queryid, statement) (queryid:credit_statement_info:last5m)"
ROLE = "credit_app"
EXPORTER, DBM, APPLICATION = "exporter", "DBM", "application"
# Of the figures of two scrapes at two moments, 2 % is noise; 10 % is another result.
LIMITS = style.steps(0.02, 0.1)
# The label `observer` of the lab's series, and the title of its column.
DETECTORS = {
    "prometheus_metrics": "Prometheus metrics",
    "prometheus_alerts": "Prometheus alerts",
    "datadog_dbm": "Datadog DBM",
    "datadog_apm": "Datadog APM",
    "datadog_metrics": "Datadog metrics",
    "datadog_monitors": "Datadog monitors",
    "postgres_log": "PostgreSQL log",
}
KINDS = {
    "calls": "credit_statement_duration_seconds_count",
    "seconds": "credit_statement_duration_seconds_sum",
    "rows": "credit_statement_rows_total",
}


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        COMPARISON,
        "8 Comparison",
        "The same statements as postgres_exporter, Database Monitoring and the application report them:"
        " calls, mean time and rows; delay, cost and detection of both observers.",
        Section(title="Do the observers agree", panels=_figures()),
        Section(title="Statement by statement, in this time range", panels=_statements()),
        Section(title="Statements that only one observer has", panels=_one_sided()),
        Section(title="Delay", panels=_delay()),
        Section(title="Detection of drills", panels=[_detection()]),
        Section(title="Cost", panels=_cost()),
    )


def exporter(kind: str) -> str:
    """Return the exporter's figure for each statement of the application, in this time range."""
    return _named(f'pg_stat_statements_{kind}_total{{user="{ROLE}"}}')


def dbm(kind: str) -> str:
    """Return what DBM received of each statement of the application, in this time range."""
    return _named(f'lab_dbm_statement_{kind}_total{{role="{ROLE}"}}')


def application(kind: str) -> str:
    """Return the application's own figure for each statement, in this time range."""
    return f"sum by (statement) (increase({KINDS[kind]}[$__range]))"


def _named(counter: str) -> str:
    grown = f"sum by (queryid) (increase({counter}[$__range]))"
    return f"sum by (statement) ({grown} * on (queryid) group_left (statement) {NAMES})"


def _figures() -> list[Panel]:
    def difference(title: str, description: str, one: str, other: str) -> Panel:
        return number(
            title,
            description,
            style.SHARE,
            Query(expr=f"abs(sum({one}) / (sum({other}) > 0) - 1)"),
            width=QUARTER,
            thresholds=LIMITS,
            decimals=2,
            empty="no data",
        )

    both = f"{exporter('calls')} and on (statement) {dbm('calls')}"
    received = f"{dbm('calls')} and on (statement) {exporter('calls')}"
    own = f"{application('calls')} and on (statement) {exporter('calls')}"
    counted = f"{exporter('calls')} and on (statement) {application('calls')}"
    return [
        note(
            "How to read this",
            "Three witnesses count the same statements: **exporter** (pg_stat_statements every 10 s),"
            " **DBM** (deltas of the same view, sent by the Agent or natively by the embedded"
            " agent), and the"
            " **application** itself. They read at different moments: below 2 % they agree, above"
            " 10 % one of them"
            " is wrong or has missed something. Click a name for the details of either side.",
        ),
        difference(
            "Calls: DBM and exporter",
            "Difference of the calls of all statements that both have, as a share of the exporter's.",
            received,
            both,
        ),
        difference(
            "Calls: exporter and application",
            "Difference of the calls of all statements that both have, as a share of the application's. The"
            " application counts successful executions, as pg_stat_statements does.",
            counted,
            own,
        ),
        number(
            "Only the exporter has",
            "Statements of the application that DBM has not received in this time range.",
            style.COUNT,
            Query(expr=_count(_only(exporter("calls"), dbm("calls")), exporter("calls"))),
            width=QUARTER,
            thresholds=style.steps(1),
            empty="no data",
        ),
        number(
            "Only DBM has",
            "Statements of the application that the exporter did not return in this time range: it"
            " returns the"
            " 500 with the most execution time.",
            style.COUNT,
            Query(expr=_count(_only(dbm("calls"), exporter("calls")), dbm("calls"))),
            width=QUARTER,
            thresholds=style.steps(1),
            empty="no data",
        ),
    ]


def _statements() -> list[Panel]:
    def mean(side: str) -> str:
        of = {EXPORTER: exporter, DBM: dbm, APPLICATION: application}[side]
        return f"{of('seconds')} / ({of('calls')} > 0)"

    return [
        _table(
            "Calls",
            "Executions of each statement in this time range.",
            style.EXACT,
            exporter("calls"),
            dbm("calls"),
            application("calls"),
        ),
        _table(
            "Mean time",
            "Of one execution. Exporter and DBM report server time, the application client time:"
            " its difference"
            " is network, driver and CPU of the client, and therefore has no threshold.",
            style.SECONDS,
            mean(EXPORTER),
            mean(DBM),
            mean(APPLICATION),
            client=True,
        ),
        _table(
            "Rows",
            "Rows returned or written by each statement in this time range.",
            style.EXACT,
            exporter("rows"),
            dbm("rows"),
            application("rows"),
        ),
    ]


def _table(title: str, description: str, unit: str, *sides: str, client: bool = False) -> Panel:
    first, second, third = sides
    decimals = 0 if unit == style.EXACT else None
    third = f"({third}) and on (statement) ({first})"

    def share(one: str, other: str) -> str:
        return f"abs(({one}) / ({other} > 0) - 1)"

    return rows(
        title,
        f"{description} Differences are DBM minus exporter, and application minus exporter.",
        Column(title=EXPORTER, unit=unit, expr=first, decimals=decimals),
        Column(title=DBM, unit=unit, expr=second, decimals=decimals),
        Column(title=APPLICATION, unit=unit, expr=third, decimals=decimals),
        Column(title="DBM -", unit=unit, expr=f"({second}) - ({first})", decimals=decimals),
        Column(
            title="DBM, %",
            unit=style.SHARE,
            expr=share(second, f"({first})"),
            thresholds=LIMITS,
            decimals=2,
        ),
        Column(title="application -", unit=unit, expr=f"({third}) - ({first})", decimals=decimals),
        Column(
            title="application, %",
            unit=style.SHARE,
            expr=share(third, f"({first})"),
            thresholds=None if client else LIMITS,
            decimals=2,
        ),
        labels={"statement": 320},
        sort=EXPORTER,
        links={"statement": _both_sides()},
        height=12,
    )


def _both_sides() -> list[DashboardLink]:
    return [
        link("Exporter: query detail", to_statement()),
        link("Datadog DBM", in_dbm()),
        link("DBM's data in the console", in_console()),
    ]


def _one_sided() -> list[Panel]:
    def table(title: str, description: str, expr: str) -> Panel:
        return rows(
            title,
            description,
            Column(title="calls", unit=style.EXACT, expr=expr, decimals=0),
            labels={"statement": 320},
            sort="calls",
            links={"statement": _both_sides()},
            width=HALF,
            height=7,
        )

    return [
        table(
            "Only the exporter",
            "Calls of statements that DBM has not received. A statement that ran once since the"
            " Agent's first"
            " reading is reported with its next execution.",
            _only(exporter("calls"), dbm("calls")),
        ),
        table(
            "Only DBM",
            "Calls of statements that are not among the 500 that the exporter returns.",
            _only(dbm("calls"), exporter("calls")),
        ),
    ]


def _delay() -> list[Panel]:
    return [
        graph(
            "Age of the newest data",
            "Seconds from the time of the newest data to now. A line that rises by one second per"
            " second is an"
            " observer that receives nothing.",
            style.SECONDS,
            Query(expr="time() - max(timestamp(pg_up))", legend="exporter"),
            Query(expr="time() - max(timestamp(credit_target_rate))", legend="services"),
            Query(
                expr="time() - max by (observer) (lab_observer_newest_timestamp_seconds)",
                legend="{{observer}}",
            ),
            width=WHOLE,
            thresholds=style.steps(30),
        ),
    ]


def _detection() -> Panel:
    return rows(
        "Seconds to detection",
        "From the moment at which PostgreSQL showed the fault to the observer's first evidence, in"
        " the latest run"
        " of each drill. An empty cell: missed or unknown. Run one with ./creditlab drill run NAME.",
        *(
            Column(
                title=title,
                unit=style.SECONDS,
                expr=f'max by (drill) (lab_drill_detection_seconds{{observer="{observer}"}})',
                decimals=1,
            )
            for observer, title in DETECTORS.items()
        ),
        labels={"drill": 320},
        sort=DETECTORS["datadog_dbm"],
        links={"drill": [link("Runs of the drills", "${console}/drills")]},
        height=9,
    )


def _cost() -> list[Panel]:
    total = "sum(rate(pg_stat_statements_seconds_total[$__rate_interval]))"

    def share(role: str) -> str:
        own = f'sum(rate(pg_stat_statements_seconds_total{{user=~"{role}"}}[$__rate_interval]))'
        return f"{own} / ({total} > 0)"

    sides = {"Prometheus": "#E6522C", "Datadog": "#7C3AED"}
    return [
        graph(
            "Share of the database's time",
            "Execution time of the statements of the observer's roles as a share of all execution time.",
            style.SHARE,
            Query(expr=share("postgres_exporter"), legend="Prometheus"),
            Query(expr=share("datadog.*"), legend="Datadog"),
            colours=sides,
            width=QUARTER,
            links=[link("The observers' statements", to_board(QUERIES))],
        ),
        graph(
            "Bytes per minute",
            "Before compression: bodies of the scrapes of the exporter and the services, and"
            " payloads of the Agent and"
            " the tracers that the intake received.",
            style.BYTES,
            Query(
                expr='sum(sum_over_time(scrape_body_size_bytes{job=~"postgres|credit"}[1m]))',
                legend="Prometheus",
            ),
            Query(
                expr="60 * sum(rate(lab_intake_bytes_total[$__rate_interval]))", legend="Datadog"
            ),
            colours=sides,
            width=QUARTER,
        ),
        graph(
            "Series, and items per minute",
            "Series that the scrapes of the exporter and the services return; spans, events and series"
            " that the intake receives in a minute.",
            style.COUNT,
            Query(
                expr='sum(scrape_samples_scraped{job=~"postgres|credit"})',
                legend="Prometheus: series",
            ),
            Query(
                expr="60 * sum(rate(lab_intake_items_total[$__rate_interval]))",
                legend="Datadog: items per minute",
            ),
            colours=sides,
            width=QUARTER,
        ),
        graph(
            "CPU",
            "Share of one core: postgres_exporter and Prometheus; the embedded agent, natively. A"
            " real Agent"
            " is not scraped: its cost is in docs/datadog.md. The console is shown for comparison.",
            style.SHARE,
            Query(
                expr='sum by (job) (rate(process_cpu_seconds_total{job=~"postgres|prometheus"}'
                "[$__rate_interval]))",
                legend="Prometheus: {{job}}",
            ),
            Query(
                expr='sum by (component) (rate(process_cpu_seconds_total{job="lab"}'
                "[$__rate_interval]))",
                legend="lab: {{component}}",
            ),
            width=QUARTER,
        ),
    ]


def _only(one: str, other: str) -> str:
    return f"({one} > 0) unless on (statement) ({other} > 0)"


def _count(found: str, of: str) -> str:
    """Return the number of results; 0 only when there is anything to count."""
    return f"count({found}) or 0 * count({of})"
