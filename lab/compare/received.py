"""The data of a window that the lab's intake received from an Agent, or its substitute, and from tracers."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lab.compare.arrived import Arrived
from lab.compare.side import READ_WITHIN_S
from lab.compare.spans import Spans
from lab.compare.stages import Window
from lab.drilldown.links import Links
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
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
from lab.telemetry.store.metric_values import Points, points_of
from lab.telemetry.store.senders import label_of_all

MOST = 300_000
TABLES = "kind LIKE 'table %'"
# A round of the schema is sent in pieces, one round each 600 s.
SCHEMA_ROUND_S = 300
# The round of collection before the window begins is the first moment of deltas in it.
BEFORE_NS = 60 * NS_PER_S


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


class Received:
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

    @cached_property
    def plans(self) -> list[Plan]:
        """The estimated plans that were sent."""
        return self._window(Plan)

    def _age_s(self, at_ns: int) -> float:
        return round((self.window.now_ns - at_ns) / NS_PER_S, 1)

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
