"""The result of a stream's decoder."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.telemetry.store import Record


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """A decoded body: records for the store, and the number of items as the sender counts them.

    `metric_points` are points of series, or runs of service checks, by name, also of names that are not kept.
    """

    records: list[Record] = field(default_factory=list)
    items: int = 0
    metric_points: Mapping[str, int] = field(default_factory=dict)
