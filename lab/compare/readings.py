"""The lab's own readings of a window as tracks: values of one counter or gauge over time."""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate
from typing import Self, TypeAlias

from lab.telemetry.store import Reader, StoreError, TruthReading
from lab.telemetry.truth import COLUMNS, Kind, decoded
from lab.telemetry.truth.readings import Buckets, Reading, decoded_buckets
from workload.clocks import middle_s

# Readings of three hours.
MOST = 15_000
ROUNDING = 1e-7
# LIMIT of truth_statements in lab/telemetry/truth/queries.sql.
MAX_STATEMENTS = 300
Key: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The time at which an observer read a value: not before `early_ns`, not after `late_ns`."""

    early_ns: int
    late_ns: int


@dataclass(frozen=True, kw_only=True)
class Track:
    """Values, oldest first; each was read between its begin and its end, in nanoseconds since 1970."""

    begins: Sequence[int]
    ends: Sequence[int]
    values: Sequence[float]

    def at(self, at_ns: int) -> float:
        """Return the value at a time, interpolated between two readings."""
        after = bisect_left(self.begins, at_ns)
        if after in (0, len(self.begins)):
            return self.values[min(after, len(self.values) - 1)]
        begin, end = self.begins[after - 1], self.begins[after]
        share = (at_ns - begin) / (end - begin)
        return self.values[after - 1] + share * (self.values[after] - self.values[after - 1])

    def bracket(self, moment: Moment) -> tuple[float, float] | None:
        """Return the lowest and highest value of the readings around a moment; None if it is not between two.

        For a counter, the value at any time of the moment is between them.
        """
        if moment.early_ns < self.ends[0] or moment.late_ns > self.begins[-1]:
            return None
        first = max(bisect_right(self.ends, moment.early_ns) - 1, 0)
        last = min(bisect_left(self.begins, moment.late_ns), len(self.values) - 1)
        around = self.values[min(first, last) : max(first, last) + 1]
        return min(around), max(around)

    def within(self, since_ns: int, until_ns: int) -> Sequence[float]:
        """Return the values that were read in a time range."""
        return self.values[bisect_left(self.begins, since_ns) : bisect_right(self.begins, until_ns)]

    def points(self, since_ns: int, until_ns: int) -> list[tuple[int, float]]:
        """Return times and values of a time range."""
        low, high = bisect_left(self.begins, since_ns), bisect_right(self.begins, until_ns)
        return list(zip(self.begins[low:high], self.values[low:high], strict=True))


class Readings:
    """The readings since a time, by column."""

    def __init__(
        self,
        readings: Iterable[Reading],
        buckets: Sequence[tuple[int, Callable[[], Buckets]]] = (),
    ) -> None:
        """Keep the values of readings in arrays, because their objects take twenty times as much memory.

        Args:
            readings: oldest first; each is discarded once its values are kept.
            buckets: time of each reading of the clocks' buckets, and how to decode it.
        """
        self.begins: list[int] = []
        self._ends: list[int] = []
        # By kind and name: numbers of readings, and values of all columns.
        self._rows: defaultdict[tuple[str, str], tuple[array[int], array[float]]] = defaultdict(
            lambda: (array("l"), array("d"))
        )
        self._shared: dict[bytes, tuple[array[int], array[int]]] = {}
        # The statements with the least time are left out of a reading that is full.
        self._is_full: list[bool] = []
        for index, reading in enumerate(readings):
            self._keep(index, reading)
        self._buckets = buckets
        self.counter = cache(self._counter)
        self._grown = cache(self._all_grown)

    @classmethod
    def since(cls, reader: Reader, since_ns: int) -> Self:
        """Return the readings of the store; none when it has none or cannot be read."""
        condition = "kind = ? AND at_ns >= ?"

        def of(kind: Kind) -> list[TruthReading]:
            try:
                return reader.select(
                    TruthReading, condition, [kind.value, since_ns], order="at_ns", limit=MOST
                )
            except StoreError:
                return []

        buckets = [(one.at_ns, partial(decoded_buckets, one)) for one in of(Kind.BUCKETS)]
        return cls(map(decoded, of(Kind.COUNTERS)), buckets)

    def _keep(self, index: int, reading: Reading) -> None:
        self.begins.append(reading.begin_ns)
        self._ends.append(reading.end_ns)
        self._is_full.append(len(reading.values.get("statement", ())) >= MAX_STATEMENTS)
        for kind, named in reading.values.items():
            for name, values in named.items():
                if len(values) != len(COLUMNS.get(kind, ())):
                    continue
                indexes, flat = self._rows[kind, name]
                indexes.append(index)
                flat.extend(values)

    def names(self, kind: str) -> set[str]:
        """Return the names of a kind."""
        return {name for one, name in self._rows if one == kind}

    def gauge(self, key: Key) -> Track | None:
        """Return the values as read; None when no reading has them."""
        kind, name, column = key
        if (kind, name) not in self._rows:
            return None
        indexes, flat = self._rows[kind, name]
        values = flat[COLUMNS[kind].index(column) :: len(COLUMNS[kind])]
        numbers = indexes[:]
        if kind == "statement" and numbers[0] > 0 and not self._is_full[numbers[0] - 1]:
            # It had not been executed before.
            numbers.insert(0, numbers[0] - 1)
            values.insert(0, 0.0)
        begins, ends = self._times(numbers)
        return Track(begins=begins, ends=ends, values=values)

    def _times(self, numbers: "array[int]") -> tuple["array[int]", "array[int]"]:
        """Return begins and ends of readings; tracks of the same readings share them."""
        key = numbers.tobytes()
        if key not in self._shared:
            begins = array("q", (self.begins[i] for i in numbers))
            self._shared[key] = begins, array("q", (self._ends[i] for i in numbers))
        return self._shared[key]

    def _counter(self, keys: tuple[Key, ...]) -> Track | None:
        """Return the sum of counters, continued over resets; None when no reading has the first."""
        tracks = [track for track in map(self.gauge, keys) if track is not None]
        if not tracks:
            return None
        first = tracks[0]
        sums: Sequence[float] = continued(first.values)
        for other in tracks[1:]:
            track = Track(begins=other.begins, ends=other.ends, values=continued(other.values))
            sums = [
                total + track.at(begin) for total, begin in zip(sums, first.begins, strict=True)
            ]
        # Kept by the cache: objects would take three times as much memory.
        return Track(begins=first.begins, ends=first.ends, values=array("d", sums))

    def aligned(self, since_ns: int, until_ns: int) -> tuple[int, int]:
        """Return the times of the readings of buckets at the beginning and end of a time range."""
        times = [at_ns for at_ns, _ in self._buckets if at_ns <= until_ns]
        begin = max(bisect_right(times, since_ns) - 1, 0)
        return (times[begin], times[-1]) if len(times) > begin + 1 else (since_ns, until_ns)

    def quantile(
        self, q: float, clocks: Sequence[str], *, since_ns: int, until_ns: int
    ) -> float | None:
        """Return a quantile of the clocks' durations in an aligned range, in seconds; exact to 1 %."""
        by_clock = self._grown(since_ns, until_ns)
        grown: Counter[int] = Counter()
        for name in clocks:
            grown.update(by_clock.get(name, {}))
        ordered = sorted(bucket for bucket, count in grown.items() if count > 0)
        totals = list(accumulate(grown[bucket] for bucket in ordered))
        if not totals:
            return None
        return middle_s(ordered[bisect_left(totals, q * totals[-1])])

    def _all_grown(self, since_ns: int, until_ns: int) -> dict[str, Counter[int]]:
        """Return what the buckets of each clock grew by; one reading is decoded at a time."""
        decode = [one for at_ns, one in self._buckets if since_ns <= at_ns <= until_ns]
        grown: defaultdict[str, Counter[int]] = defaultdict(Counter)
        before: Buckets | None = None
        for one in decode:
            after = one()
            if before is not None:
                for name, counts in after.items():
                    if counts != (earlier := before.get(name, {})):
                        grown[name].update(_growth(earlier, counts))
            before = after
        return dict(grown)


def _growth(before: dict[int, int], after: dict[int, int]) -> dict[int, int]:
    if any(count > after.get(bucket, 0) for bucket, count in before.items()):
        return after  # the service was restarted
    return {
        bucket: count - before.get(bucket, 0)
        for bucket, count in after.items()
        if count != before.get(bucket, 0)
    }


def continued(values: Sequence[float]) -> list[float]:
    """Return a counter's values without resets: a value below the last one counts from zero.

    A sum of times may be lower by a rounding, because PostgreSQL adds its rows in any order.

    >>> continued([5, 7, 2, 4]), continued([1.0, 1.0 - 1e-12])
    ([5, 7, 9, 11], [1.0, 1.0])
    """
    if not values:
        return []
    return list(accumulate(map(_step, values, values[1:]), initial=values[0]))


def _step(before: float, after: float) -> float:
    if after >= before:
        return after - before
    return 0 if before - after <= ROUNDING * before else after
