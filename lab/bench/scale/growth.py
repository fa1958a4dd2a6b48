"""How CPU time grows with the size of the data: the exponent of a power law, fitted to the measured sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from statistics import linear_regression

# Above it a time grows faster than the data, beyond what the noise of three sizes explains.
LINEAR = 1.1
# Times below it are mostly fixed costs, and their exponent is that of the noise.
LEAST_S = 0.02
# Below the kernel's resolution, which may also measure nothing.
RESOLUTION_S = 0.001


@dataclass(frozen=True, kw_only=True, slots=True)
class Growth:
    """Seconds by size; `exponent` is 0 for a constant time, 1 for one in proportion to the size.

    It is None for a single size. `faster` is whether a time that matters grows faster than the data.
    """

    what: str
    seconds: Mapping[float, float]
    exponent: float | None

    @property
    def faster(self) -> bool:
        """Whether it grows faster than the data, and takes long enough for the exponent to mean something."""
        return (
            self.exponent is not None
            and self.exponent > LINEAR
            and max(self.seconds.values()) >= LEAST_S
        )


def growth(what: str, seconds: Mapping[float, float]) -> Growth:
    """Fit the exponent through the logarithms of sizes and seconds; both are positive.

    >>> growth("scan", {1: 0.5, 10: 5.0, 100: 50.0}).exponent
    1.0
    >>> growth("lookup", {1: 0.5, 10: 0.5}).exponent
    0.0
    """
    return Growth(what=what, seconds=seconds, exponent=_exponent(seconds))


def _exponent(seconds: Mapping[float, float]) -> float | None:
    if len(seconds) == 1:
        return None
    sizes = sorted(seconds)
    times = [log(max(seconds[size], RESOLUTION_S)) for size in sizes]
    slope = linear_regression([log(size) for size in sizes], times).slope
    return round(slope, 3) + 0.0


def grown(measured: Mapping[float, Mapping[str, float]]) -> list[Growth]:
    """Return the growth of each figure that every size has, in the order of the first size."""
    names: Sequence[str] = list(next(iter(measured.values()), {}))
    return [
        growth(name, {size: found[name] for size, found in measured.items()})
        for name in names
        if all(name in found for found in measured.values())
    ]


def expected_s(seconds: Mapping[float, float], size: float) -> float:
    """Return the expected seconds for a size: on the line through the two largest measured ones.

    From a single one in proportion, which is too much where fixed costs dominate.
    """
    if not seconds:
        return 0.0
    *_, before, largest = [0.0, *sorted(seconds)]
    begin = seconds.get(before, 0.0)
    return begin + (seconds[largest] - begin) * (size - before) / (largest - before)
