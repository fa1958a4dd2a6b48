"""Questions about statements: calls, time and mean time of the application's top statements by time.

The truth is the application's: its counters of each statement, between two scrapes. PostgreSQL counts on the
server, so that its times do not include network and driver.
"""

from collections.abc import Iterator

from lab.compare.answers import Answer, Compared, cannot
from lab.compare.intake import Datadog, Work
from lab.compare.side import Prometheus, Truth

MOST = 5
WHERE = "the services' /metrics"
MEASURES = (("calls", "", "calls"), ("total time", "s", "seconds"), ("mean time", "ms", "mean_ms"))
COUNT = "credit_statement_duration_seconds_count"
SUM = "credit_statement_duration_seconds_sum"
BY_NAME = (
    'sum by (statement) (increase({metric}{{user="credit_app"}}[{window}])'
    " * on (queryid) group_left (statement) max by (queryid, statement) (credit_statement_info))"
)


def compare(truth: Truth, prometheus: Prometheus, datadog: Datadog) -> Iterator[Compared]:
    """Yield calls, time and mean of the statements with the most time."""
    calls, seconds = truth.grown(COUNT, "statement"), truth.grown(SUM, "statement")
    window = f"{truth.window_s:.0f}s"
    reported = {
        kind: prometheus.by_label(BY_NAME.format(metric=metric, window=window), "statement")
        for kind, metric in (
            ("calls", "pg_stat_statements_calls_total"),
            ("seconds", "pg_stat_statements_seconds_total"),
        )
    }
    received_by_dbm = datadog.work(truth.names())
    for name in sorted(seconds, key=lambda name: -seconds[name])[:MOST]:
        own = Work(calls=calls.get(name, 0.0), seconds=seconds[name])
        theirs = None
        if name in reported["calls"]:
            theirs = Work(calls=reported["calls"][name], seconds=reported["seconds"].get(name, 0.0))
        sent = received_by_dbm.get(name)
        for question, unit, field in MEASURES:
            yield Compared(
                question=f"{question} of {name}",
                unit=unit,
                truth=Answer(value=getattr(own, field), resolution_s=5.0, where=WHERE),
                prometheus=prometheus.answer(getattr(theirs, field))
                if theirs
                else cannot("no series of this statement in the window"),
                datadog=datadog.work_answer(getattr(sent, field))
                if sent
                else cannot(datadog.trouble or "no deltas of this statement in the window"),
            )
