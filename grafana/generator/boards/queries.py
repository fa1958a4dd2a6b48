"""(2) Queries: the top statements by time, calls, mean, rows and I/O."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.generator import style
from grafana.generator.board import (
    QUERIES,
    Section,
    board,
    choose,
    of_row,
    series_in_console,
    service,
)
from grafana.generator.panels import HALF, Panel, graph, link, note, number
from grafana.generator.source import Query
from grafana.generator.statements import CHOSEN, names, per_statement
from grafana.generator.tables import Column, rows

NAMED = "statement:pg_stat_statements_calls:rate1m"
SELECTED = ", ".join(f"{label}{matcher}" for label, matcher in CHOSEN.items())
BLOCK = 8192


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        QUERIES,
        "2 Queries",
        "Top statements by time, calls, mean, rows and I/O, by name and queryid, from"
        " pg_stat_statements. The same queryid is in PostgreSQL's log and in pg_stat_activity.",
        Section(title="All chosen statements", panels=_totals()),
        Section(title="Statement by statement, in this time range", panels=[_table()]),
        Section(title="Top ten over time", panels=_graphs()),
        variables=[
            service("credit_statement_info"),
            choose(
                "user",
                "Role",
                f"label_values({NAMED}, user)",
                "Roles that ran the statements. An Agent's EXPLAIN counts for datadog_explain.",
                current="credit_app",
            ),
        ],
    )


def _totals() -> list[Panel]:
    load = f"statement:pg_stat_statements_seconds:rate1m{{{SELECTED}}}"
    calls = f"{NAMED}{{{SELECTED}}}"
    hits, reads = (_block_rate(kind) for kind in ("hit", "read"))
    return [
        note(
            "How to read this",
            "Sort by **total time** to find what to optimize first, by **mean** for latency, by"
            " **calls** for N+1 queries, by **read** (from disk) for cache misses. Click a name for its"
            " detail. *unnamed* statements have no comment of the workload: tools, observers, psql."
            " A name has several queryids if its text has lists of several lengths.",
        ),
        number(
            "Load",
            "Execution time per second: the average number of sessions that these statements use.",
            style.SESSIONS,
            Query(expr=f"sum({load})"),
            decimals=3,
        ),
        number("Calls", "Executions per second.", style.PER_SECOND, Query(expr=f"sum({calls})")),
        number(
            "Mean time",
            "Of one execution, over all chosen statements.",
            style.SECONDS,
            Query(expr=f"sum({load}) / (sum({calls}) > 0)"),
            thresholds=style.steps(0.05, 0.25),
            empty="no calls",
        ),
        number(
            "Found in shared buffers",
            "Hits as a share of the blocks requested (hits + reads). Below 95 % for long, the working"
            " set is larger than shared_buffers, or a statement reads a whole table.",
            style.SHARE,
            Query(expr=f"{hits} / clamp_min({hits} + {reads}, 1e-9)"),
            thresholds=style.falling(0.9, 0.95),
            decimals=1,
        ),
        number(
            "Read from disk",
            "Bytes per second read from outside the buffer cache (possibly from the kernel's).",
            style.BYTES_PER_SECOND,
            Query(expr=f"{BLOCK} * {reads}"),
        ),
        number(
            "Temporary files",
            "Bytes per second written by sorts and hashes that exceed work_mem. Above 0: find the"
            " statement in the table below, and increase work_mem or add an index.",
            style.BYTES_PER_SECOND,
            Query(expr=f"{BLOCK} * {_block_rate('temp')}"),
            thresholds=style.steps(1, 10_000_000),
        ),
    ]


def _table() -> Panel:
    total, calls = (per_statement(metric, **CHOSEN) for metric in ("seconds_total", "calls_total"))
    returned = per_statement("rows_total", **CHOSEN)
    hit, read = (per_statement(f"shared_blocks_{kind}_total", **CHOSEN) for kind in ("hit", "read"))
    seconds = "sum by (user, queryid) (increase(pg_stat_statements_seconds_total[$__range]))"
    io = " + ".join(
        f"sum by (user, queryid) (increase(pg_stat_statements_block_{way}_seconds_total[$__range]))"
        for way in ("read", "write")
    )
    return rows(
        "Statements",
        "One row per statement and role, increase in this time range. *per call* are rows; *read*"
        " and *temp*"
        " are bytes; *I/O* is the share of the time. Red: check the plan,"
        " in Datadog DBM or in PostgreSQL's log (auto_explain, from 200 ms).",
        Column(title="total time", unit=style.SECONDS, expr=total, bar=True),
        Column(title="calls", unit=style.EXACT, expr=calls, decimals=0),
        Column(
            title="mean",
            unit=style.SECONDS,
            expr=f"{total} / on (user, queryid, statement, service) ({calls} > 0)",
            thresholds=style.steps(0.1, 0.5),
        ),
        Column(title="rows", unit=style.EXACT, expr=returned, decimals=0),
        Column(
            title="per call",
            unit=style.COUNT,
            expr=f"{returned} / on (user, queryid, statement, service) ({calls} > 0)",
            decimals=1,
        ),
        Column(
            title="hit ratio",
            unit=style.SHARE,
            expr=f"{hit} / on (user, queryid, statement, service) (({hit} + on"
            f" (user, queryid, statement, service) {read}) > 0)",
            thresholds=style.falling(0.9, 0.95),
            decimals=1,
        ),
        Column(title="read", unit=style.BYTES, expr=f"{BLOCK} * {read}"),
        Column(
            title="I/O",
            unit=style.SHARE,
            expr=f"({io}) / ({seconds} > 0) * on (user, queryid) group_left (statement, service)"
            f" {names(**CHOSEN)}",
            decimals=1,
        ),
        Column(
            title="temp",
            unit=style.BYTES,
            expr=f"{BLOCK} * {per_statement('temp_blocks_written_total', **CHOSEN)}",
            thresholds=style.steps(1, 100_000_000),
        ),
        Column(
            title="WAL per call",
            unit=style.BYTES,
            expr=f"{per_statement('wal_bytes_total', **CHOSEN)}"
            f" / on (user, queryid, statement, service) ({calls} > 0)",
            decimals=0,
        ),
        labels={"statement": 195, "service": 150, "user": 90, "queryid": 188},
        sort="total time",
        links=of_row(),
        height=19,
    )


def _graphs() -> list[Panel]:
    def top(title: str, description: str, unit: str, metric: str) -> Panel:
        """The ten of the whole time range: by step there would be more than ten lines."""

        def by_name(counter: str) -> str:
            joined = f"{counter} * on (user, queryid) group_left (statement) {names(**CHOSEN)}"
            return f"sum by (statement) ({joined})"

        now = by_name(f"rate(pg_stat_statements_{metric}[$__rate_interval])")
        whole = by_name(f"increase(pg_stat_statements_{metric}[$__range] @ end())")
        return graph(
            title,
            description,
            unit,
            Query(
                expr=f"{now} and on (statement) topk(10, {whole})",
                legend="{{statement}}",
            ),
            width=HALF,
            height=10,
            empty="No statement of these roles ran",
            links=[link("In the console", series_in_console())],
        )

    return [
        top(
            "By load",
            "Execution time per second. A statement that rises here without more calls is"
            " slower: a plan change, a missing index, a cold cache, a lock.",
            style.SESSIONS,
            "seconds_total",
        ),
        top(
            "By calls",
            "Executions per second. A statement that rises alone is often a loop in the application"
            " (N+1): see its traces.",
            style.PER_SECOND,
            "calls_total",
        ),
    ]


def _block_rate(kind: str) -> str:
    metric = "temp_blocks_written" if kind == "temp" else f"shared_blocks_{kind}"
    grown = f"rate(pg_stat_statements_{metric}_total[$__rate_interval])"
    return f"sum({grown} * on (user, queryid) group_left () {names('user', 'queryid', **CHOSEN)})"
