"""How far the seed is: the fact that loading emits."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """What the seed does at a moment, in this order; the value is what a person reads."""

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
