"""The decision sheet: what each stack detected in this lab, how soon, in what detail, and at what cost.

All figures are of this machine and this version: the verdicts on the latest run of each drill, and the cost
of each role by PostgreSQL's own statistics.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from types import MappingProxyType
from typing import Any

import msgspec

from lab.compare.comparison import Cost
from lab.drills.assessment import Assessment
from lab.drills.catalogue import DRILLS
from lab.drills.matrix import Matrix
from lab.foundation.templates import render
from lab.judge.evidence import Observer
from lab.judge.readings import Seen
from lab.judge.verdicts import Depth, Verdict

STACKS: Mapping[str, tuple[Observer, ...]] = MappingProxyType({
    "Prometheus and Grafana": (Observer.METRICS, Observer.ALERTS),
    "Datadog": (Observer.DBM, Observer.APM, Observer.CHECK, Observer.MONITORS),
    "PostgreSQL's log": (Observer.LOG,),
})  # fmt: skip
# The roles of each stack; the log is written by the server itself.
ROLES: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "Prometheus and Grafana": ("postgres_exporter",),
    "Datadog": ("datadog", "datadog_explain"),
    "PostgreSQL's log": (),
})  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class StackSummary:
    """One stack in this lab.

    Attributes:
        judged: drills with a verdict other than unknown of at least one of its observers.
        detected: drills that at least one of them detected.
        unknown: drills of which none has another verdict than unknown.
        median_s, slowest_s: seconds from the proof to its first evidence; None without a detection.
        depths: by detail, the number of drills in which one of its observers had it.
        only: drills that no other stack detected.
        ms_per_s: its execution time in PostgreSQL, in milliseconds per second; None when not measured.
        sessions: connections that it holds.
    """

    name: str
    judged: int
    detected: int
    unknown: int
    median_s: float | None
    slowest_s: float | None
    depths: Mapping[Depth, int]
    only: tuple[str, ...]
    ms_per_s: float | None
    sessions: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """The decision sheet.

    Attributes:
        machine: where it was measured.
        datadog: the sender of Datadog's data.
        drills: the number of judged drills, of `known`.
        missed_by_all: drills that no stack detected.
        application_ms_per_s: execution time of the application's statements, for comparison.
        no_costs: why costs are absent; empty when they are there.
    """

    machine: str
    at_ns: int
    datadog: str
    drills: int
    known: int
    stacks: tuple[StackSummary, ...]
    missed_by_all: tuple[str, ...]
    application_ms_per_s: float | None
    no_costs: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values, for `--json`."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document


def sheet(matrix: Matrix, costs: Sequence[Cost], no_costs: str = "") -> Sheet:
    """Return the sheet of a matrix and the costs by role."""
    seen_by = {name: _detected(matrix, observers) for name, observers in STACKS.items()}
    return Sheet(
        machine=matrix.machine,
        at_ns=matrix.at_ns,
        datadog=matrix.datadog,
        drills=len(matrix.rows),
        known=len(DRILLS),
        stacks=tuple(_stack(name, matrix, seen_by, costs) for name in STACKS),
        missed_by_all=tuple(
            row.run.drill
            for row in matrix.rows
            if not any(row.run.drill in found for found in seen_by.values())
        ),
        application_ms_per_s=_ms_per_s(costs, ("credit_app",)),
        no_costs=no_costs,
    )


def html(found: Sheet) -> str:
    """Return the sheet as one page to print."""
    return render("lab.learn", "sheet.html", sheet=found, depths=tuple(Depth))


def _of_stack(row: Assessment, observers: Iterable[Observer]) -> list[Verdict]:
    return [verdict for each in observers if (verdict := row.of(each))]


def _detected(matrix: Matrix, observers: Sequence[Observer]) -> dict[str, float]:
    """Return the detected drills with the seconds to the first evidence."""
    found = {}
    for row in matrix.rows:
        times = [v.after_s for v in _of_stack(row, observers) if v.after_s is not None]
        if times:
            found[row.run.drill] = min(times)
    return found


def _stack(
    name: str, matrix: Matrix, seen_by: Mapping[str, Mapping[str, float]], costs: Sequence[Cost]
) -> StackSummary:
    verdicts = [_of_stack(row, STACKS[name]) for row in matrix.rows]
    judged = sum(any(v.seen is not Seen.UNKNOWN for v in row) for row in verdicts)
    times = list(seen_by[name].values())
    others = {drill for other, found in seen_by.items() if other != name for drill in found}
    return StackSummary(
        name=name,
        judged=judged,
        detected=len(times),
        unknown=len(matrix.rows) - judged,
        median_s=median(times) if times else None,
        slowest_s=max(times, default=None),
        depths={d: sum(any(d in v.depths for v in row) for row in verdicts) for d in Depth},
        only=tuple(drill for drill in seen_by[name] if drill not in others),
        ms_per_s=_ms_per_s(costs, ROLES[name]),
        sessions=sum(c.sessions for c in costs if c.role in ROLES[name]) if costs else None,
    )


def _ms_per_s(costs: Sequence[Cost], roles: Iterable[str]) -> float | None:
    found = [cost.ms_per_s for cost in costs if cost.role in roles]
    return sum(found) if found else None
