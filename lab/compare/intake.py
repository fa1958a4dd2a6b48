"""The Datadog side from the lab's intake: answers from what an Agent, or a substitute, and tracers sent."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from lab.compare.answers import Answer
from lab.compare.readings import Moment
from lab.compare.received import Metric, Received
from lab.compare.side import interval_s, summed
from lab.compare.spans import quantile
from lab.compare.stages import Observed
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.intake.metric_names import KEPT_METRICS, CheckType
from lab.telemetry.store.metric_values import current, latest

APPLICATION = "credit_app"
# Between the reading of the counters and the time of the event: reading texts, and building the event.
COLLECTING_NS = 3 * NS_PER_S // 2
# A point of the check's metrics has whole seconds.
WHOLE_NS = NS_PER_S
DELTAS_EVERY_S = 10.0


class Datadog(Received):
    """Answers from the data received in the window."""

    def statement(self, queryids: set[int], column: str) -> Observed | None:
        """Return the growth of a column of the application's statements."""
        return self._deltas(
            lambda delta: delta.role == APPLICATION and delta.queryid in queryids, column
        )

    def role(self, role: str, column: str) -> Observed | None:
        """Return the growth of a column of all statements of a role."""
        return self._deltas(lambda delta: delta.role == role, column)

    def counter(self, asked: Metric) -> Observed | None:
        """Return the growth of one of the Agent's metrics; None when no Agent sent it."""
        found = self._points(asked)
        if not found:
            return None
        times = sorted({at_ns for one in found for at_ns, _ in one.points})
        every_s = max(one.interval_s for one in found)
        is_rate = KEPT_METRICS[asked.name] is CheckType.RATE
        value = asked.scale * sum(one.increase(per_second=is_rate) for one in found)
        first_ns = times[0] - round(every_s * NS_PER_S)
        return Observed(
            first=Moment(early_ns=first_ns - WHOLE_NS, late_ns=first_ns + 2 * WHOLE_NS),
            last=Moment(early_ns=times[-1] - WHOLE_NS, late_ns=times[-1] + 2 * WHOLE_NS),
            raw=None if is_rate else value,
            value=value,
            newest_ns=times[-1],
            resolution_s=interval_s(times) or every_s,
            where=f"the Agent's metrics: {asked.name}",
            points=summed(
                (one.points for one in found), asked.scale if is_rate else asked.scale / every_s
            ),
        )

    def gauge(self, asked: Metric) -> tuple[Answer, Moment] | None:
        """Return the newest value of a gauge, and its time."""
        found = self._points(asked)
        value = latest(found)
        if value is None:
            return None
        newest = max(one.points[-1][0] for one in current(found))
        times = sorted({at_ns for one in found for at_ns, _ in one.points})
        answer = Answer(
            value=asked.scale * value,
            age_s=self._age_s(newest),
            resolution_s=interval_s(times) or max(one.interval_s for one in found),
            where=f"the Agent's metrics: {asked.name}",
            points=summed((one.points for one in found), asked.scale),
        )
        return answer, Moment(early_ns=newest - WHOLE_NS, late_ns=newest + 2 * WHOLE_NS)

    def values(self, asked: Metric) -> Sequence[tuple[int, float]]:
        """Return the sums of a metric's series over time."""
        return summed((one.points for one in self._points(asked)), asked.scale)

    def sampled(self, value: float | str) -> Answer:
        """Return an answer from activity samples."""
        times = sorted(one.at_ns for one in self.rounds)
        every_s = interval_s(times)
        return self.answer(value, resolution_s=every_s, at_ns=times[-1] if times else None)

    def operations(self, service: str, *, errors: bool = False) -> Observed | None:
        """Return the number of a service's operations, or of those that failed."""
        return self.spans.operations(service, errors=errors)

    def statements(self) -> Observed | None:
        """Return the number of statements of all services."""
        return self.spans.all_statements()

    def mean_ms(self, services: Sequence[str]) -> float | None:
        """Return the mean duration of the operations of services, in milliseconds."""
        mean_s = self.spans.mean_s(services)
        return None if mean_s is None else 1000 * mean_s

    def statement_durations(self, name: str, *, aligned: bool = False) -> list[int]:
        """Return the durations of a statement for its callers, in nanoseconds, ascending.

        Args:
            name: of the statement.
            aligned: of the window of percentiles.
        """
        return (self._aligned_spans if aligned else self.spans).statement(name)

    def slowest(self) -> float | None:
        """Return the longest duration of a statement for its caller, in milliseconds."""
        span = self._aligned_spans.slowest()
        return span.duration_ns / 1e6 if span else None

    def callers(self, name: str) -> set[str]:
        """Return the services of a statement's spans, samples and plans."""
        sampled = {one.service for one in self.activity if one.statement == name}
        planned = {one.service for one in self.plans if one.statement == name}
        found = sampled | planned | self.spans.callers(name)
        return {service for service in found if service}

    def linked_traces(self) -> float:
        """Return the number of traces: each has its statements as spans, and they carry its id to DBM."""
        return float(self.spans.count)

    def quantile_ms(self, service: str, q: float) -> Answer | None:
        """Return a quantile of the durations of a service's operations, from spans."""
        durations = self._aligned_spans.durations(service)
        if not durations:
            return None
        return self.from_spans(quantile(durations, q))

    def from_spans(self, value: float | str) -> Answer:
        """Return an answer from spans."""
        return self.answer(value, resolution_s=None, at_ns=self.spans.newest_ns)

    def answer(
        self, value: float | str, *, resolution_s: float | None, at_ns: int | None = None
    ) -> Answer:
        """Return an answer with the age of its data."""
        newest = at_ns or max(self._rounds_ns, default=None)
        age_s = None if newest is None else self._age_s(newest)
        return Answer(value=value, age_s=age_s, resolution_s=resolution_s, where=self._console)

    def _deltas(self, belongs: Any, column: str) -> Observed | None:
        since_ns = self.window.since_ns
        rounds = [at_ns for at_ns in self._rounds_ns if at_ns > since_ns]
        if not rounds:
            return None
        grown: defaultdict[int, float] = defaultdict(float)
        for delta in self.deltas:
            if delta.at_ns > since_ns and belongs(delta):
                grown[delta.at_ns] += getattr(delta, column)
        if not grown:
            return None
        earlier = [at_ns for at_ns in self._rounds_ns if at_ns <= since_ns]
        every_s = interval_s(self._rounds_ns) or DELTAS_EVERY_S
        first = earlier[-1] if earlier else rounds[0] - round(every_s * NS_PER_S)
        total = sum(grown.values())
        return Observed(
            first=Moment(early_ns=first - COLLECTING_NS, late_ns=first),
            last=Moment(early_ns=rounds[-1] - COLLECTING_NS, late_ns=rounds[-1]),
            raw=total,
            value=total,
            newest_ns=rounds[-1],
            resolution_s=every_s,
            where=self._console,
            points=tuple((at_ns, grown.get(at_ns, 0.0) / every_s) for at_ns in rounds),
        )


def queryids_of(names: Mapping[int, str], name: str) -> set[int]:
    """Return the queryids of a statement's name."""
    return {queryid for queryid, one in names.items() if one == name}
