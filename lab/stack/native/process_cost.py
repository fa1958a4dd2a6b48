"""What a process costs: processor time and resident memory, its descendants included."""

from contextlib import suppress
from dataclasses import dataclass

import psutil

from lab.stack.native.records import descendants


@dataclass(frozen=True, kw_only=True)
class ProcessCost:
    """`cpu_s` since the start, in seconds; `resident` memory in bytes, now."""

    cpu_s: float
    resident: int


def cost_of(process: psutil.Process) -> ProcessCost:
    """Return what a process and its descendants cost; zeros when it has ended."""
    cpu_s, resident = 0.0, 0
    for one in descendants(process):
        with suppress(psutil.NoSuchProcess), one.oneshot():
            # A child that has ended lives on in the times of who waited for it.
            cpu_s += sum(one.cpu_times()[:4])
            resident += one.memory_info().rss
    return ProcessCost(cpu_s=cpu_s, resident=resident)
