"""This machine's processors: priority of a process, CPU time by mode, steal time."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

# A third of the scheduler's weight of processes with nice 0.
NICE_INCREMENT = 5
# Above it a measurement is not one of the machine's nominal capacity.
MAX_STOLEN = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Shares:
    """Shares of the CPU time of all processors, 0 to 1.

    Attributes:
        busy: not idle, not waiting for I/O, not stolen.
        stolen: steal time: the hypervisor ran other machines; 0 when it reports none.
    """

    busy: float
    stolen: float


def machine() -> str:
    """Return processors, memory and platform of this machine, for a report."""
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GB of memory"
    return f"{psutil.cpu_count()} processors, {memory}, {platform.system()} {platform.machine()}"


def raise_nice_value() -> None:
    """Raise this process's nice value, so that the services' threads are scheduled first."""
    os.nice(NICE_INCREMENT)


def now() -> Mapping[str, float]:
    """Return the CPU time by mode since boot, in seconds, summed over all processors."""
    times: Mapping[str, float] = psutil.cpu_times()._asdict()
    return times


def between(before: Mapping[str, float], after: Mapping[str, float]) -> Shares:
    """Return the shares between two readings; `user` includes `guest`.

    >>> before = {"user": 1, "idle": 5, "steal": 0, "guest": 1}
    >>> between(before, {"user": 4, "idle": 6, "steal": 1, "guest": 4})
    Shares(busy=0.6, stolen=0.2)
    """
    spent = {
        kind: max(0.0, after[kind] - before[kind]) for kind in after if not kind.startswith("guest")
    }
    total = sum(spent.values())
    idle, stolen = spent["idle"] + spent.get("iowait", 0.0), spent.get("steal", 0.0)
    if not total:  # two readings of the same moment
        return Shares(busy=0.0, stolen=0.0)
    return Shares(busy=(total - idle - stolen) / total, stolen=stolen / total)
