"""The Datadog side from the lab's intake: data that an Agent (or the embedded one) and tracers sent."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lab.compare.answers import Answer
from lab.compare.arrived import Arrived
from lab.compare.readings import Moment
from lab.compare.side import READ_WITHIN_S, interval_s
from lab.compare.spans import Spans, quantile
from lab.compare.stages import Observed, Window
from lab.drilldown.links import Links
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.intake.metric_names import KEPT_METRICS, CheckType
from lab.telemetry.store import (
    SENT_TO_DATADOG,
    ActivityRound,
    ActivitySample,
    MetricPoint,
    Plan,
    QueryMetrics,
    Reader,
    Snapshot,
    Source,
    Span,
    StoreError,
)
from lab.telemetry.store.metric_values import Points, current, latest, points_of
from lab.telemetry.store.senders import label_of_all

MOST = 300_000
TABLES = "kind LIKE 'table %'"
# A round of the schema is sent in pieces, one round each 600 s.
SCHEMA_ROUND_S = 300
APPLICATION = "credit_app"
# The round of collection before the window begins is the first moment of deltas in it.
BEFORE_NS = 60 * NS_PER_S
# Between the reading of the counters and the time of the event: reading texts, and building the event.
COLLECTING_NS = 3 * NS_PER_S // 2
# A point of the check's metrics has whole seconds.
WHOLE_NS = NS_PER_S
DELTAS_EVERY_S = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One of the Agent's metrics, as a question uses it.

    Attributes:
        name: of the metric.
        tags: a filter of its series, such as "table:installments".
        scale: factor to the question's unit.
    """

    name: str
    tags: tuple[str, ...] = ()
    scale: float = 1.0


class Datadog:
    """Data received in the window."""

    def __init__(
        self,
        settings: LabSettings,
        window: Window,
        aligned: Window | None = None,
        arrived: Arrived | None = None,
    ) -> None:
        self._reader = Reader(Paths.of(settings).store, timeout_s=READ_WITHIN_S)
        self.window = window
        self._arrived = arrived or Arrived()
        last_span = self._arrived.last(Span)
        self.spans = Spans(self._reader, window, last_id=last_span)
        # For percentiles, whose truth is read every ten seconds.
        self._aligned_spans = Spans(self._reader, aligned or window, last_id=last_span)
        self._console = Links.of(settings).console
        self._metrics: dict[tuple[str, tuple[str, ...]], list[Points]] = {}
        self.trouble: str | None = None

    @property
    def source(self) -> str:
        """What this column is read from."""
        if Source.AGENT in self._sources:
            return "the intake: what the Datadog Agent sent"
        every_s = next((r.interval_s for r in reversed(self.rounds) if r.interval_s), None)
        return f"the intake: {label_of_all(self._sources, every_s) or 'no data'}"

    @property
    def is_embedded(self) -> bool:
        """Whether only a substitute of the Agent sent data; it sends nothing to Datadog."""
        return bool(self._sources) and Source.AGENT not in self._sources

    @cached_property
    def _sources(self) -> set[Source]:
        return {delta.source for delta in self.deltas}

    @cached_property
    def deltas(self) -> list[QueryMetrics]:
        """The deltas of all statements, those of the round before the window included."""
        return self._window(QueryMetrics, before_ns=BEFORE_NS)

    @cached_property
    def _rounds_ns(self) -> list[int]:
        return sorted({delta.at_ns for delta in self.deltas})

    @property
    def oldest_ns(self) -> int | None:
        """The first round of deltas, as far as it is in the window or shortly before it."""
        return min(self._rounds_ns, default=None)

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
            points=_summed(found, asked.scale if is_rate else asked.scale / every_s),
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
            points=_summed(found, asked.scale),
        )
        return answer, Moment(early_ns=newest - WHOLE_NS, late_ns=newest + 2 * WHOLE_NS)

    def values(self, asked: Metric) -> Sequence[tuple[int, float]]:
        """Return the sums of a metric's series over time."""
        return _summed(self._points(asked), asked.scale)

    @cached_property
    def activity(self) -> list[ActivitySample]:
        """The activity samples."""
        return self._window(ActivitySample)

    @cached_property
    def rounds(self) -> list[ActivityRound]:
        """The rounds of activity sampling, including those without an active session."""
        return self._window(ActivityRound)

    @property
    def last_samples(self) -> list[ActivitySample]:
        """The sessions of the last round of sampling."""
        last = max((sample.at_ns for sample in self.activity), default=0)
        return [sample for sample in self.activity if sample.at_ns == last]

    def sampled(self, value: float | str) -> Answer:
        """Return an answer from activity samples."""
        times = sorted(one.at_ns for one in self.rounds)
        every_s = interval_s(times)
        return self.answer(value, resolution_s=every_s, at_ns=times[-1] if times else None)

    def snapshot(self, kind: str) -> Snapshot | None:
        """Return the latest settings or schema that were sent."""
        found = self._reader.select(Snapshot, "kind = ?", [kind], order="at_ns DESC", limit=1)
        return found[0] if found else None

    def tables(self) -> list[Snapshot]:
        """Return the tables of the last schema that was sent, the newest first.

        Excluded: those of another host, as after a switch between the embedded agent and an Agent, and those
        that are not in the last round.
        """
        newest = self._reader.select(Snapshot, TABLES, order="at_ns DESC", limit=1)
        if not newest:
            return []
        condition = f"{TABLES} AND host = ? AND at_ns > ?"
        since_ns = newest[0].at_ns - round(SCHEMA_ROUND_S * NS_PER_S)
        return self._reader.select(
            Snapshot, condition, [newest[0].host, since_ns], order="at_ns DESC"
        )

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

    def plan_shapes(self, name: str) -> set[str]:
        """Return the shapes of a statement's estimated plans."""
        return {plan.shape for plan in self.plans if plan.statement == name}

    def explained(self) -> set[str]:
        """Return the statements with an estimated plan."""
        return {plan.statement for plan in self.plans if plan.statement}

    def executed_shapes(self, name: str) -> set[str]:
        """Return the shapes of a statement's executed plans in the log."""
        condition = "executed AND statement = ? AND at_ns >= ? AND at_ns <= ?"
        bounds = [name, self.window.since_ns, self.window.now_ns]
        try:
            found = self._reader.select(Plan, condition, bounds, limit=MOST)
        except StoreError:
            return set()
        return {plan.shape for plan in found}

    def linked_traces(self) -> float:
        """Return the number of traces: each has its statements as spans, and they carry its id to DBM."""
        return float(self.spans.count)

    @cached_property
    def plans(self) -> list[Plan]:
        """The estimated plans that were sent."""
        return self._window(Plan)

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

    def _age_s(self, at_ns: int) -> float:
        return round((self.window.now_ns - at_ns) / NS_PER_S, 1)

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

    def _points(self, asked: Metric) -> list[Points]:
        key = asked.name, asked.tags
        if key not in self._metrics:
            try:
                self._metrics[key] = points_of(
                    self._reader,
                    asked.name,
                    since_ns=self.window.since_ns,
                    until_ns=self.window.now_ns,
                    tags=asked.tags,
                    last_id=self._arrived.last(MetricPoint),
                )
            except StoreError as error:
                self.trouble = str(error)
                self._metrics[key] = []
        return self._metrics[key]

    def _window(self, record: type[Any], *, before_ns: int = 0) -> list[Any]:
        condition = f"at_ns >= ? AND at_ns <= ? AND id <= ? AND {SENT_TO_DATADOG}"
        last_id = self._arrived.last(record)
        bounds = [self.window.since_ns - before_ns, self.window.now_ns, last_id]
        try:
            return self._reader.select(record, condition, bounds, order="at_ns", limit=MOST)
        except StoreError:
            return []


def _summed(found: Sequence[Points], scale: float) -> tuple[tuple[int, float], ...]:
    sums: dict[int, float] = {}
    for one in found:
        for at_ns, value in one.points:
            sums[at_ns] = sums.get(at_ns, 0.0) + scale * value
    return tuple(sorted(sums.items()))


def queryids_of(names: Mapping[int, str], name: str) -> set[int]:
    """Return the queryids of a statement's name."""
    return {queryid for queryid, one in names.items() if one == name}
