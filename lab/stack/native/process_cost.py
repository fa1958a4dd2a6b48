"""CPU time and resident memory of a process and its descendants."""

from contextlib import suppress
from dataclasses import dataclass

import psutil

from lab.stack.native.records import descendants


@dataclass(frozen=True, kw_only=True)
class ProcessCost:
    """`cpu_s`: CPU time since the start, in seconds; `resident`: current memory in bytes."""

    cpu_s: float
    resident: int


def cost_of(process: psutil.Process) -> ProcessCost:
    """Return the cost of a process and its descendants; zeros when it has ended."""
    cpu_s, resident = 0.0, 0
    for one in descendants(process):
        with suppress(psutil.NoSuchProcess), one.oneshot():
            # Includes the times of children that have ended and were waited for.
            cpu_s += sum(one.cpu_times()[:4])
            resident += one.memory_info().rss
    return ProcessCost(cpu_s=cpu_s, resident=resident)
