"""Progress of the seed, as loading reports it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """The steps of the seed, in this order; the value is the display text."""

    ROWS = "seeding rows"
    INDEXES = "building indexes"
    STATISTICS = "gathering statistics"


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """`done` of `total` rows, indexes and constraints, or tables, by step; rows are an estimate."""

    step: Step
    done: int
    total: int


Report = Callable[[Progress], None]
