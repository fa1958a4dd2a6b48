"""Signals that many drills share: those that an engineer would check first."""

from lab.foundation.timestamps import NS_PER_MS, NS_PER_S
from lab.judge.evidence import Observer
from lab.judge.signals import Deltas, Metric, Query, Resources, Sessions, Signal, Slow, Spans
from lab.telemetry.store import ActivitySample, QueryMetrics

# A statement that is executed rarely, such as a report, may be slow without a fault. All observers count
# from six calls a minute.
SECONDS_BY_STATEMENT = """
sum by (statement, service) (statement:pg_stat_statements_seconds:rate1m{user="credit_app"})
  and sum by (statement, service) (statement:pg_stat_statements_calls:rate1m{user="credit_app"}) > 0.1
"""
AT_LEAST = 2
# Executions in a row: one or two heavy reports, by chance one after the other, are no fault either.
IN_A_ROW = 5

LONG_NS = 5 * NS_PER_S

RELATIONS = "relations"
ACTIVITY = "collect_activity_metrics"
# Wait events of the type Lock; the check's metric has no type.
LOCKS = (
    "advisory,applytransaction,extend,frozenid,object,page,relation,spectoken,transactionid,tuple,userlock,"
    "virtualxid"
)
LOCK_WAITS = Query(
    says="sessions that wait for a lock",
    query=f"sum:postgresql.activity.wait_event{{wait_event IN ({LOCKS})}}",
    needs=ACTIVITY,
    above=2,
)
# Sessions idle in a transaction that began more than 5 s ago.
IDLE_IN_TRANSACTION: tuple[Signal, ...] = (
    Metric(
        says="seconds since the oldest transaction of an idle session began",
        expr=(
            "max by (usename, application_name) (pg_stat_activity_max_tx_duration"
            '{state=~"idle in transaction.*"})'
        ),
        above=5,
        times=3,
    ),
    Sessions(
        says="sessions idle in a transaction older than 5 s",
        above=0,
        like=lambda s: (
            (s.state or "").startswith("idle in transaction")
            and s.xact_start_ns is not None
            and s.at_ns - s.xact_start_ns > LONG_NS
        ),
    ),
    Query(
        says="seconds since the oldest transaction of an application with an idle one began",
        query=(
            "clamp_max(sum:postgresql.transactions.idle_in_transaction{*} by {db,user,app}, 1)"
            " * max:postgresql.activity.xact_start_age{*} by {db,user,app}"
        ),
        needs=ACTIVITY,
        above=5,
        times=3,
    ),
)
FAILED_OPERATIONS = Query(
    says="failed operations in 10 s, by service, in trace metrics",
    observer=Observer.APM,
    query="sum:trace.credit.operation.errors{*} by {service}.as_count()",
    above=0,
)


def rows_scanned(table: str) -> tuple[Signal, ...]:
    """Rows of a table read by sequential scans, as the exporter and the check count them."""
    says = f"rows a second of {table} read by sequential scans"
    return (
        Metric(
            says=says,
            expr=f'rate(pg_stat_user_tables_seq_tup_read{{relname="{table}"}}[1m])',
            above=10_000,
            times=3,
        ),
        Query(
            says=says,
            query=f"sum:postgresql.seq_rows_read{{table:{table}}}",
            needs=RELATIONS,
            above=10_000,
            times=3,
        ),
    )


def calls_by_statement(*, above: float) -> Deltas:
    """Calls of each statement in 10 s, three times its baseline, in two intervals in a row."""
    return Deltas(
        says="calls in 10 s, by statement",
        measure=lambda d: d.calls,
        above=above,
        times=3,
        points=2,
    )


def many_calls(*, per_s: float, in_10_s: float) -> tuple[Signal, ...]:
    """Calls of each statement above both rates, as each observer counts them."""
    return (
        Metric(
            says="calls a second, by statement",
            expr="sum by (statement, queryid) (statement:pg_stat_statements_calls:rate1m)",
            above=per_s,
            times=2,
        ),
        calls_by_statement(above=in_10_s),
        Resources(
            says="spans in 10 s, by statement",
            measure=lambda _: 1.0,
            above=in_10_s,
            times=3,
            points=2,
        ),
    )


def _of_application(delta: QueryMetrics) -> float:
    counts = delta.role == "credit_app" and delta.calls >= AT_LEAST
    return delta.exec_time_ms if counts else 0.0


def time_by_statement(*, busy: float, times: float = 3.0, points: int = 2) -> tuple[Signal, ...]:
    """The execution time of each statement of the application, as each observer counts it.

    Args:
        busy: threshold for one statement, in seconds of execution per second.
        times: and the factor over its baseline.
        points: number of intervals of 10 s in a row, of deltas and of spans.
    """
    return (
        Metric(
            says="seconds of execution per second, by statement",
            expr=SECONDS_BY_STATEMENT,
            above=busy,
            times=times,
        ),
        Deltas(
            says="ms of execution in 10 s, by statement",
            measure=_of_application,
            above=busy * 10_000,
            times=times,
            points=points,
        ),
        Resources(
            says="ms of spans in 10 s, by statement",
            at_least=AT_LEAST,
            above=busy * 10_000,
            times=times,
            points=points,
        ),
    )


def long_statements(*, ms: float) -> tuple[Signal, ...]:
    """Long executions, several in a row: in spans, in sessions and in the log."""

    def at_work_for_long(sample: ActivitySample) -> bool:
        began = sample.query_start_ns
        at_work = sample.state == "active" and sample.backend_type == "client backend"
        return at_work and began is not None and sample.at_ns - began > ms * NS_PER_MS

    return (
        Sessions(
            says=f"sessions at one statement for {ms:g} ms",
            above=0,
            points=2,
            like=at_work_for_long,
        ),
        # The client's time includes the network, and on a busy machine the wait for a processor.
        Spans(
            says="statements in spans, ms",
            above=2 * ms,
            points=IN_A_ROW,
            each=True,
            like=lambda s: s.kind == "sql",
        ),
        Slow(says="executions in the log, ms", above=ms, points=IN_A_ROW),
    )
