"""Times per process below a Gather: its slowest process, if the plan has times per worker.

EXPLAIN (VERBOSE), and auto_explain with log_verbose, print each worker's part of a node's time in "Workers";
the leader's part is the rest. Without them only the sum over all processes is known.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.drilldown.plans.forest import Entry

LEADER = -1


def slowest_process(top: "Entry") -> int | None:
    """Return the number of the slowest process at the node below a Gather; None when it is not known."""
    known = _workers(top.raw)
    if not known:
        return None
    known[LEADER] = top.summed_ms - sum(known.values())
    return max(known, key=lambda number: known[number])


def ms_of(entry: "Entry", process: int) -> float:
    """Return the time of a node in one process, of all its loops."""
    known = _workers(entry.raw)
    if process == LEADER:
        return max(entry.summed_ms - sum(known.values()), 0.0)
    return known.get(process, 0.0)


def _workers(raw: Mapping[str, Any]) -> dict[int, float]:
    """Workers of a node by number; those of a Sort have no times without VERBOSE."""
    found: dict[int, float] = {}
    workers = raw.get("Workers")
    for worker in workers if isinstance(workers, list) else ():
        match worker:
            case {
                "Worker Number": int(number),
                "Actual Total Time": int() | float() as each_ms,
                "Actual Loops": int() | float() as loops,
            }:
                found[number] = each_ms * loops
            case _:
                pass
    return found
