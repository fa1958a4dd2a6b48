"""The Agent's sampler of a check's metrics: values of one run become points of series."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from lab.telemetry.embedded.events import Event
from lab.telemetry.embedded.metrics import INTERVAL_S, Type

# Runs after which a series that the check has not sent again is forgotten.
FORGOTTEN_AFTER = 10
# The others are times of the check's own operations.
KINDS = frozenset({"gauge", "rate", "count", "monotonic_count"})
Key: TypeAlias = tuple[str, str, str, tuple[str, ...]]


@dataclass(kw_only=True, slots=True)
class _Sampled:
    """What the check has sent of a series: the last value and its time, the sum of this run."""

    last: float = 0.0
    at_s: float = 0.0
    before: tuple[float, float] | None = None
    added: float | None = None
    is_new: bool = True
    age: int = 0


@dataclass(kw_only=True)
class Aggregation:
    """Keeps the values of a check; a rate or count begins with its second value, as in the Agent."""

    tags: Sequence[str]
    _series: dict[Key, _Sampled] = field(default_factory=dict)

    def add(
        self,
        kind: str,
        name: str,
        value: float,
        *,
        tags: Sequence[str],
        host: str,
        first: bool,
        at_s: float,
    ) -> bool:
        """Add a value; False when the kind is not one of KINDS.

        Args:
            kind: of the metric.
            name: of the metric.
            value: as submitted.
            tags: "key:value".
            host: of the series.
            first: whether the first value of a counter counts from zero.
            at_s: seconds since 1970.
        """
        if kind not in KINDS:
            return False
        key = (kind, name, host, tuple(sorted(tags)))
        known = self._series.setdefault(key, _Sampled())
        if kind == "count":
            known.added = (known.added or 0.0) + value
        elif kind == "monotonic_count":
            if not known.is_new or first:
                grown = value - known.last
                known.added = (known.added or 0.0) + (grown if grown >= 0 else value * first)
        elif kind == "rate":
            known.before = None if known.is_new else (known.last, known.at_s)
        known.last, known.at_s, known.is_new, known.age = value, at_s, False, 0
        return True

    def commit(self, at_s: float) -> Iterator[Event]:
        """Yield the points of a run of the check, and begin the next one."""
        for key, known in list(self._series.items()):
            kind, name, host, tags = key
            if known.age == 0 and (value := _value(kind, known)) is not None:
                counted = kind in {"count", "monotonic_count"}
                yield {
                    "metric": name,
                    "type": (Type.COUNT if counted else Type.GAUGE).value,
                    "points": [{"timestamp": int(at_s), "value": value}],
                    "interval": INTERVAL_S,
                    "tags": [*tags, *self.tags],
                    "resources": [{"type": "host", "name": host}],
                }
            known.added = None
            known.age += 1
            if known.age > FORGOTTEN_AFTER:
                del self._series[key]


def _value(kind: str, known: _Sampled) -> float | None:
    if kind == "gauge":
        return known.last
    if kind != "rate":
        return known.added
    if known.before is None:
        return None
    before, before_s = known.before
    grown, seconds = known.last - before, known.at_s - before_s
    return grown / seconds if seconds > 0 and grown >= 0 else None
