"""The Datadog side from the lab's intake: data that the Agent, or the embedded agent, sent."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lab.compare.answers import Answer, cannot
from lab.compare.side import READ_WITHIN_S
from lab.drilldown.links import Links
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.intake.metric_names import KEPT_METRICS, CheckType
from lab.telemetry.store import (
    SENT_TO_DATADOG,
    ActivityRound,
    ActivitySample,
    Plan,
    QueryMetrics,
    Reader,
    Snapshot,
    Source,
    StoreError,
)
from lab.telemetry.store.metric_values import latest, points_of
from lab.telemetry.store.senders import label_of_all

MOST = 300_000
TABLES = "kind LIKE 'table %'"
# A round of the schema is sent in pieces, one round each 600 s.
SCHEMA_ROUND_S = 300
APPLICATION = "credit_app"


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """Calls and seconds of a statement, by one side."""

    calls: float
    seconds: float

    @property
    def mean_ms(self) -> float:
        """Milliseconds of one call."""
        return 1000 * self.seconds / max(self.calls, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One of the Agent's metrics, as a question uses it.

    Attributes:
        name: of the metric.
        tag: a filter of its series, such as "table:installments".
        total: whether the value is the total over the window, of a rate or count; else the latest value.
    """

    name: str
    tag: str = ""
    total: bool = False


class Datadog:
    """Data received in the window."""

    def __init__(self, settings: LabSettings, since_s: float) -> None:
        self._reader = Reader(Paths.of(settings).store, timeout_s=READ_WITHIN_S)
        self._since_ns = clock.now_ns() - round(since_s * NS_PER_S)
        self._console = Links.of(settings).console
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
        """The deltas of all statements."""
        return self._window(QueryMetrics)

    def work(self, names: Mapping[int, str]) -> Mapping[str, Work]:
        """Return calls and time of the application's statements, by name; `names` are by queryid."""
        calls: defaultdict[str, float] = defaultdict(float)
        seconds: defaultdict[str, float] = defaultdict(float)
        for delta in self.deltas:
            name = names.get(delta.queryid or 0)
            if name and delta.role == APPLICATION:
                calls[name] += delta.calls
                seconds[name] += delta.exec_time_ms / 1000
        return {name: Work(calls=calls[name], seconds=seconds[name]) for name in calls}

    def work_answer(self, value: float) -> Answer:
        """Return an answer from the data of `work`."""
        return self.answer(value, resolution_s=10.0)

    def metric(self, asked: Metric) -> Answer:
        """Return the value of one of the Agent's metrics, of all its series that have the tag."""
        now_ns = clock.now_ns()
        tags = [asked.tag] if asked.tag else []
        try:
            found = points_of(
                self._reader, asked.name, since_ns=self._since_ns, until_ns=now_ns, tags=tags
            )
        except StoreError as error:
            return cannot(str(error))
        if not found:
            return cannot(f"no Agent sent {asked.name} in the window")
        per_second = KEPT_METRICS[asked.name] is CheckType.RATE
        grown = sum(one.increase(per_second=per_second) for one in found)
        newest_ns = max(one.series.seen_ns for one in found)
        return Answer(
            value=grown if asked.total else latest(found),
            age_s=round((now_ns - newest_ns) / NS_PER_S, 1),
            resolution_s=max(one.interval_s for one in found),
            where=f"the Agent's metrics: {asked.name}",
        )

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

    def plans(self) -> list[Plan]:
        """Return the estimated plans that were sent."""
        return self._window(Plan)

    def answer(
        self, value: float | str, *, resolution_s: float, at_ns: int | None = None
    ) -> Answer:
        """Return an answer with the age of its data."""
        newest = at_ns or max((delta.at_ns for delta in self.deltas), default=None)
        age_s = None if newest is None else round((clock.now_ns() - newest) / NS_PER_S, 1)
        return Answer(value=value, age_s=age_s, resolution_s=resolution_s, where=self._console)

    def _window(self, record: type[Any]) -> list[Any]:
        condition = f"at_ns >= ? AND {SENT_TO_DATADOG}"
        try:
            return self._reader.select(
                record, condition, [self._since_ns], order="at_ns", limit=MOST
            )
        except StoreError:
            return []
