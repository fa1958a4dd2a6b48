"""Cost of the observers outside the database: CPU, memory, traffic, disk space."""

from collections.abc import Iterator
from dataclasses import dataclass

PROMETHEUS, DATADOG, LAB = "Prometheus", "Datadog", "the lab"


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """One figure of an observer; `value` is None when it is not known, with the reason in `why_not`."""

    observer: str
    what: str
    unit: str = ""
    value: float | None = None
    why_not: str = ""

    def __str__(self) -> str:
        """Format the figure with its unit.

        >>> str(Spent(observer=LAB, what="memory", unit="MB", value=1234.5))
        '1,234 MB'
        >>> str(Spent(observer=LAB, what="rows", value=0.256))
        '0.26'
        >>> str(Spent(observer=LAB, what="rows", why_not="there is no store"))
        'cannot answer: there is no store'
        """
        if self.value is None:
            return f"cannot answer: {self.why_not}"
        digits = 0 if self.value >= SMALL else 2
        return f"{self.value:,.{digits}f} {self.unit}".strip()


# Values from this size on are printed without decimals.
SMALL = 100


def one_line(reason: object) -> str:
    """Return the first line of an error."""
    return str(reason).partition("\n")[0]


def gathered(*parts: Iterator[Spent]) -> tuple[Spent, ...]:
    """Return figures by observer, in the order in which they came."""
    every = [spent for part in parts for spent in part]
    return tuple(s for name in (PROMETHEUS, DATADOG, LAB) for s in every if s.observer == name)
