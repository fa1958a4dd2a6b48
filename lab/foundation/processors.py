"""This machine's processors: who goes first, what they did, and what a host gave to others meanwhile."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

# A third of the weight of others that want the same processor.
BEHIND = 5
# More, and what is measured here is a smaller machine than this one seems to be.
STOLEN = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Shares:
    """Shares of all processor time, 0 to 1.

    Attributes:
        busy: anything here worked.
        stolen: work was there, and the host ran other machines; 0 where there is none, or none tells.
    """

    busy: float
    stolen: float


def let_others_first() -> None:
    """Put this process behind the services: what they send can wait, what they do cannot."""
    os.nice(BEHIND)


def now() -> Mapping[str, float]:
    """Return seconds by what they were spent on, since the machine's start, over all processors."""
    times: Mapping[str, float] = psutil.cpu_times()._asdict()
    return times


def between(before: Mapping[str, float], after: Mapping[str, float]) -> Shares:
    """Return the shares between two readings; a guest's time is in its user's already.

    >>> before = {"user": 1, "idle": 5, "steal": 0, "guest": 1}
    >>> between(before, {"user": 4, "idle": 6, "steal": 1, "guest": 4})
    Shares(busy=0.6, stolen=0.2)
    """
    spent = {
        kind: max(0.0, after[kind] - before[kind]) for kind in after if not kind.startswith("guest")
    }
    total = sum(spent.values()) or 1.0
    idle, stolen = spent["idle"] + spent.get("iowait", 0.0), spent.get("steal", 0.0)
    return Shares(busy=(total - idle - stolen) / total, stolen=stolen / total)
