"""Questions about statements: calls, time, mean, for those that the application spends its time in.

The truth is the application's own: its counters around each statement, between two scrapes of them. What
PostgreSQL counts it counts on the server's side, so its times lack the way there and back.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lab.compare.answers import Answer, Compared, cannot
from lab.compare.side import Datadog, Prometheus, Truth

MOST = 5
WHERE = "the services' /metrics"
MEASURES = (("calls", "", "calls"), ("total time", "s", "seconds"), ("mean time", "ms", "mean_ms"))
COUNT = "credit_statement_duration_seconds_count"
SUM = "credit_statement_duration_seconds_sum"
BY_NAME = (
    'sum by (statement) (increase({metric}{{user="credit_app"}}[{window}])'
    " * on (queryid) group_left (statement) max by (queryid, statement) (credit_statement_info))"
)


@dataclass(frozen=True, kw_only=True)
class _Told:
    """Calls and seconds of a statement, as one side has them."""

    calls: float
    seconds: float

    @property
    def mean_ms(self) -> float:
        """Milliseconds of one call."""
        return 1000 * self.seconds / max(self.calls, 1.0)


def compare(truth: Truth, prometheus: Prometheus, datadog: Datadog) -> Iterator[Compared]:
    """Yield calls, time and mean of the statements with the most time."""
    calls, seconds = truth.grown(COUNT, "statement"), truth.grown(SUM, "statement")
    window = f"{truth.window_s:.0f}s"
    told = {
        kind: prometheus.by_label(BY_NAME.format(metric=metric, window=window), "statement")
        for kind, metric in (
            ("calls", "pg_stat_statements_calls_total"),
            ("seconds", "pg_stat_statements_seconds_total"),
        )
    }
    deltas = _deltas(truth, datadog)
    for name in sorted(seconds, key=lambda name: -seconds[name])[:MOST]:
        own = _Told(calls=calls.get(name, 0.0), seconds=seconds[name])
        theirs = None
        if name in told["calls"]:
            theirs = _Told(calls=told["calls"][name], seconds=told["seconds"].get(name, 0.0))
        sent = deltas.get(name)
        for question, unit, field in MEASURES:
            yield Compared(
                question=f"{question} of {name}",
                unit=unit,
                truth=Answer(value=getattr(own, field), resolution_s=5.0, where=WHERE),
                prometheus=prometheus.answer(getattr(theirs, field))
                if theirs
                else cannot("no series of this statement in the window"),
                datadog=datadog.answer(getattr(sent, field), resolution_s=10.0)
                if sent
                else cannot("no deltas of this statement in the window"),
            )


def _deltas(truth: Truth, datadog: Datadog) -> Mapping[str, _Told]:
    names = truth.names()
    calls: defaultdict[str, float] = defaultdict(float)
    seconds: defaultdict[str, float] = defaultdict(float)
    for delta in datadog.deltas():
        name = names.get(delta.queryid or 0)
        if name and delta.role == "credit_app":
            calls[name] += delta.calls
            seconds[name] += delta.exec_time_ms / 1000
    return {name: _Told(calls=calls[name], seconds=seconds[name]) for name in calls}
