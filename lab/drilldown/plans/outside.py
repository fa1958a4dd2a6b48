"""The time of a statement outside its plan: triggers, planning, lock waits, commit.

AFTER triggers, including those of foreign keys, run after the main plan, and PostgreSQL counts them
separately, like a data-modifying CTE that is not read. EXPLAIN measures planning, auto_explain does not.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lab.drilldown.plans.tree import Cause, Node, Outside
from lab.foundation.plural import plural

# Smaller causes are within the measurement error.
LEAST_SHARE = 0.01
LEAST_MS = 0.01


def outside(
    document: Mapping[str, Any], root: Node, server_ms: float | None, known: Iterable[Cause]
) -> Outside | None:
    """Return the server's time outside the plan, with its known causes.

    Args:
        document: the plan's JSON: the object with "Plan".
        root: of the plan.
        server_ms: by the server's log; if None, EXPLAIN's own planning and execution time are used.
        known: causes from other sources, such as lock waits.
    """
    whole = server_ms or _measured_ms(document)
    if whole is None or root.total_ms is None:
        return None
    rest = max(whole - root.total_ms, 0.0)
    return Outside(
        ms=round(rest, 3),
        server_ms=whole,
        causes=tuple(_fitting([*_causes(document, root), *known], rest)),
        mostly=root.total_ms < whole / 2,
    )


def _fitting(causes: Iterable[Cause], rest_ms: float) -> Iterator[Cause]:
    """Yield causes, the longest first, as long as they fit together into the time outside.

    A BEFORE trigger, listed like any other, runs inside its ModifyTable: its time does not fit.
    """
    room_ms = rest_ms * (1 + LEAST_SHARE)
    for cause in sorted(causes, key=lambda each: -each.ms):
        if max(rest_ms * LEAST_SHARE, LEAST_MS) <= cause.ms <= room_ms:
            room_ms -= cause.ms
            yield cause


def jit_ms(document: Mapping[str, Any]) -> float | None:
    """Return the time of JIT compilation, added up over all processes; None without JIT."""
    timing = document.get("JIT", {}).get("Timing", {})
    return timing.get("Total") if isinstance(timing, dict) else None


def _measured_ms(document: Mapping[str, Any]) -> float | None:
    execution = document.get("Execution Time")
    return None if execution is None else execution + document.get("Planning Time", 0.0)


def _causes(document: Mapping[str, Any], root: Node) -> Iterator[Cause]:
    for trigger in document.get("Triggers", ()):
        name = trigger.get("Constraint Name") or trigger.get("Trigger Name") or "without a name"
        on = f" on {trigger['Relation']}" if "Relation" in trigger else ""
        calls = trigger.get("Calls", 0)
        what = f"trigger {name}{on} ({plural(calls, 'call')})"
        yield Cause(what=what, ms=trigger.get("Time", 0.0))
    yield Cause(what="planning", ms=document.get("Planning Time", 0.0))
    serialization = document.get("Serialization", {})
    yield Cause(what="serialization of the rows", ms=serialization.get("Time", 0.0))
    for node in root.walk():
        if node.after_ms and node.after_ms >= LEAST_MS:
            yield Cause(what=f"{node.label} in a CTE, after the main plan", ms=node.after_ms)
