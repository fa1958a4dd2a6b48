"""(3) Query detail: one statement, on the server and on the client."""

from grafana_foundation_sdk.models.dashboard import Dashboard, VariableHide

from grafana.generator import style
from grafana.generator.board import (
    QUERIES,
    QUERY,
    TABLES,
    Section,
    board,
    choose,
    chosen_in_console,
    of_row,
    sessions_in_console,
    to_board,
)
from grafana.generator.panels import HALF, Panel, graph, link, log, note, number, traces
from grafana.generator.source import Query, TraceSearch
from grafana.generator.statements import DETAIL, of_one, per_statement
from grafana.generator.tables import Column, rows
from grafana.generator.waits import by_statement

NAMED = "statement:pg_stat_statements_calls:rate1m"
RATE, RANGE = "$__rate_interval", "$__range"
BLOCK = 8192
NOT_OURS = "The services have no statement with this name"
NO_OWNER = "No single service owns the statement, or its service has no such data"
NEVER = "Not executed in this time range"


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        QUERY,
        "3 Query detail",
        "One statement: calls, times, reads, roles; on the server from"
        " pg_stat_statements, on the client from the service that runs it.",
        Section(title="In this time range", panels=_figures()),
        Section(title="Time", panels=_time()),
        Section(title="Work", panels=_work()),
        Section(title="Executions: traces and PostgreSQL's log", panels=_executions()),
        Section(title="Identity", panels=[_text(), _identity()]),
        variables=[
            choose(
                "statement",
                "Statement",
                f"label_values({NAMED}, statement)",
                "The name in workload/sql/; unnamed: everything without one",
                current="customer_by_cpf",
                several=False,
            ),
            choose(
                "queryid",
                "queryid",
                f'label_values({NAMED}{{statement="$statement"}}, queryid)',
                "As in pg_stat_statements, pg_stat_activity and PostgreSQL's log",
            ),
            choose(
                "owner",
                "Service",
                f'label_values({NAMED}{{statement="$statement"}}, service)',
                "The service that contains the statement",
                several=False,
            ).hide(VariableHide.HIDE_VARIABLE),
        ],
    )


def _figures() -> list[Panel]:
    total, calls = (
        of_one(metric, function="increase", window=RANGE)
        for metric in ("seconds_total", "calls_total")
    )
    hit, read = (
        of_one(f"shared_blocks_{kind}_total", function="increase", window=RANGE)
        for kind in ("hit", "read")
    )
    return [
        note(
            "How to read this",
            "Server time is the execution time in PostgreSQL; client time adds the network, the driver and"
            " the wait for the server's CPU. **Client up, server level:** check the host and the pool."
            " **Both up, calls level:** the plan or its data changed; see its plans in Datadog DBM"
            " (*DBM: samples*, above) or in PostgreSQL's log under this queryid. For a whole request,"
            " click a point of *Operations of its service*: it opens the trace.",
        ),
        number(
            "Calls",
            "Executions in this time range.",
            style.EXACT,
            Query(expr=calls),
            decimals=0,
            empty=NEVER,
            links=[
                link("All statements", to_board(QUERIES)),
                link("In the console", chosen_in_console()),
            ],
        ),
        number(
            "Total time",
            "Execution time in this time range, all executions together.",
            style.SECONDS,
            Query(expr=total),
            empty=NEVER,
        ),
        number(
            "Mean time",
            "Of one execution on the server.",
            style.SECONDS,
            Query(expr=f"{total} / ({calls} > 0)"),
            thresholds=style.steps(0.1, 0.5),
            empty=NEVER,
        ),
        number(
            "Share of all time",
            "The statement's share of the total execution time: the upper limit of what tuning it"
            " can win.",
            style.SHARE,
            Query(expr=f"{total} / sum(increase(pg_stat_statements_seconds_total[$__range]))"),
            decimals=1,
            empty=NEVER,
        ),
        number(
            "Rows per call",
            "Rows returned or changed. More rows than the caller needs: a missing condition.",
            style.COUNT,
            Query(
                expr=f"{of_one('rows_total', function='increase', window=RANGE)} / ({calls} > 0)"
            ),
            decimals=1,
            empty=NEVER,
        ),
        number(
            "Found in shared buffers",
            "Hits as a share of the blocks requested (hits + reads).",
            style.SHARE,
            Query(expr=f"{hit} / (({hit} + {read}) > 0)"),
            thresholds=style.falling(0.9, 0.95),
            decimals=1,
            empty="no block requested",
        ),
    ]


def _time() -> list[Panel]:
    buckets = (
        "sum by (le) (rate(credit_statement_duration_seconds_bucket"
        '{statement="$statement"}[$__rate_interval]))'
    )
    client_mean = " / ".join(
        f'sum(rate(credit_statement_duration_seconds_{part}{{statement="$statement"}}[{RATE}]))'
        for part in ("sum", "count")
    )
    mean = f"{of_one('seconds_total', window=RATE)} / ({of_one('calls_total', window=RATE)} > 0)"
    return [
        graph(
            "Calls by role",
            "Executions per second. datadog_explain is the Agent's EXPLAIN, which executes"
            " nothing; postgres_exporter runs only its own statements.",
            style.PER_SECOND,
            Query(expr=of_one("calls_total", by="user", window=RATE), legend="{{user}}"),
            colours=style.ROLES,
            empty=NEVER,
        ),
        graph(
            "Mean time, server and client",
            "The difference is network, driver and scheduling. It is about constant; when"
            " it grows, PostgreSQL is not the reason.",
            style.SECONDS,
            Query(expr=mean, legend="server"),
            Query(expr=f"{client_mean} >= 0", legend="client"),
            colours={"server": style.BLUE, "client": style.AMBER},
            empty=NEVER,
        ),
        graph(
            "Client time: percentiles",
            "Measured by the service, all executions, not a sample. Points are executions from 1"
            " ms on: click one"
            " to open its trace. A p99 far above the p50 means a few"
            " rows, or a few moments: check for locks at those moments.",
            style.SECONDS,
            *(
                Query(
                    expr=f"histogram_quantile({quantile}, {buckets})",
                    legend=legend,
                    exemplar=legend == "p99",
                )
                for quantile, legend in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ),
            colours=style.QUANTILES,
            empty=NOT_OURS,
        ),
    ]


def _work() -> list[Panel]:
    return [
        graph(
            "Blocks requested, by source",
            "Bytes requested per second, found in shared buffers or read. Much more than the rows"
            " it returns need: a sequential scan, or dead tuples.",
            style.BYTES_PER_SECOND,
            *(
                Query(
                    expr=f"{BLOCK} * {of_one(f'shared_blocks_{kind}_total', window=RATE)}",
                    legend=legend,
                )
                for kind, legend in (("hit", "in shared buffers"), ("read", "read from disk"))
            ),
            stacked=True,
            colours={"in shared buffers": style.GREEN, "read from disk": style.RED},
            empty=NEVER,
        ),
        graph(
            "Rows per call",
            "A jump without a release means a change of data or of parameters.",
            style.COUNT,
            Query(
                expr=f"{of_one('rows_total', window=RATE)}"
                f" / ({of_one('calls_total', window=RATE)} > 0)",
                legend="rows per call",
            ),
            empty=NEVER,
        ),
        graph(
            "Block read and write time",
            "Seconds per second. Near the statement's total time: it waits for the disk, and an index or"
            " more memory helps; far below: it uses CPU, or waits for locks.",
            style.SESSIONS,
            *(
                Query(
                    expr=of_one(f"block_{way}_seconds_total", window=RATE), legend=f"{way} blocks"
                )
                for way in ("read", "write")
            ),
            colours={"read blocks": style.BLUE, "write blocks": style.AMBER},
            empty=NEVER,
        ),
        graph(
            "Temporary bytes",
            "Sorts and hashes that exceed work_mem, per second. Above 0: an index that provides"
            " the order, fewer rows, or more work_mem for this role.",
            style.BYTES_PER_SECOND,
            Query(
                expr=f"{BLOCK} * {of_one('temp_blocks_written_total', window=RATE)}",
                legend="written",
            ),
            thresholds=style.steps(1),
            empty=NEVER,
        ),
        graph(
            "Operations of its service",
            "95th percentile by operation of the service that owns the statement. The points are exemplars:"
            " click one to open its trace, in Datadog or in the lab, and find the statement.",
            style.SECONDS,
            Query(
                expr="histogram_quantile(0.95, sum by (operation, le)"
                ' (rate(credit_operation_duration_seconds_bucket{service="$owner"}'
                "[$__rate_interval])))",
                legend="{{operation}}",
                exemplar=True,
            ),
            empty=NO_OWNER,
        ),
        graph(
            "Rows its service writes, by table",
            "Rows per second, as counted by the service: the tables that it changes, and that the"
            " statement may have to wait for.",
            style.ROWS_PER_SECOND,
            Query(
                expr="sum by (table) (rate(credit_rows_attempted_total"
                '{service="$owner"}[$__rate_interval]))',
                legend="{{table}}",
            ),
            empty=NO_OWNER,
            links=[link("Tables", to_board(TABLES))],
        ),
        graph(
            "WAL per call",
            "Bytes of write-ahead log of one execution. It rises after each checkpoint, when the first"
            " change of a page logs the whole page, and with every further index of the table.",
            style.BYTES,
            Query(
                expr=f"{of_one('wal_bytes_total', window=RATE)}"
                f" / ({of_one('calls_total', window=RATE)} > 0)",
                legend="WAL per call",
            ),
            width=HALF,
            empty=NEVER,
        ),
        graph(
            "Sessions that ran it by wait event",
            "Sessions that ran this statement at a scrape, and what they waited for. None is usual for a"
            " statement of some milliseconds.",
            style.COUNT,
            Query(
                expr=by_statement(
                    "wait_event_type, wait_event", statement="$statement", queryid="$queryid"
                ),
                legend="{{wait_event_type}}: {{wait_event}}",
            ),
            links=[link("Sessions in the console", sessions_in_console())],
            width=HALF,
            stacked=True,
            bars=True,
            empty="No session ran it at a scrape",
        ),
    ]


def _executions() -> list[Panel]:
    return [
        traces(
            "Slowest traces",
            "Traces of the service that contain this statement, the slowest of this time range"
            " first. Click an id"
            " for its spans: plan, waits, log and the blocking trace are in the details of the"
            " statement's span.",
            TraceSearch(
                service="$owner", tags="lab.statement=$statement lab.order=slowest", limit=20
            ),
            width=HALF,
        ),
        log(
            "PostgreSQL's log",
            "Executions from 100 ms, executed plans from 200 ms, lock waits and errors of this statement,"
            " without literals. The links of a line open its trace.",
            '{statement="$statement"}',
            width=HALF,
        ),
    ]


def _text() -> Panel:
    return log(
        "Text",
        "The normalized statement, once for each queryid, as DBM or PostgreSQL's log reported it; parameters"
        " are $1, $2. Its plans are in the console and in Datadog DBM.",
        '{job="statements", statement="$statement"}',
        height=7,
    )


def _identity() -> Panel:
    return rows(
        "queryids of this name",
        "A name has several queryids when its text has lists of several lengths, or after a change of"
        " the text or of a table's columns. Select one above to see only that.",
        Column(
            title="total time", unit=style.SECONDS, expr=per_statement("seconds_total", **DETAIL)
        ),
        Column(
            title="calls",
            unit=style.EXACT,
            expr=per_statement("calls_total", **DETAIL),
            decimals=0,
        ),
        labels={"statement": 260, "service": 200, "user": 180, "queryid": 240},
        sort="total time",
        links=of_row(),
        height=7,
    )
