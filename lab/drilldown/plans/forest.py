"""A plan as EXPLAIN prints it, flattened: each node's number, parent and link, and the executor of subplans.

EXPLAIN prints an InitPlan, a CTE or a SubPlan below the node that owns it, not below the node that runs it.
A SubPlan is run by its owner. A CTE is run by its CTE Scans, an InitPlan by the first node that needs its
value: both somewhere below the owner. Nodes are numbered in EXPLAIN's order, so a node and all below it have
the numbers of a range.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

PARAMETER = re.compile(r"\$\d{1,4}\b|\bInitPlan \d{1,4}\b")
GATHERS = frozenset({"Gather", "Gather Merge"})
# Averages per loop are rounded; a carrier's startup may be measured a little shorter than its subplan.
NEARLY = 0.97


class Link(Enum):
    """The relation of a node to its parent."""

    INPUT = auto()
    PARALLEL = auto()  # the input of a Gather: it runs in several processes at the same time
    CTE = auto()
    INIT = auto()
    SUB = auto()

    @property
    def is_subplan(self) -> bool:
        """Whether a node other than the owner may run it."""
        return self in (Link.CTE, Link.INIT, Link.SUB)


@dataclass(kw_only=True, slots=True)
class Entry:
    """A node: `end` is one more than the last number below it; `gather` is the Gather above it, if any."""

    raw: Mapping[str, Any]
    number: int
    parent: int | None
    link: Link
    gather: int | None
    end: int = 0
    children: list[int] = field(default_factory=list)

    @property
    def loops(self) -> float:
        """The number of executions in all processes; 0 in an estimated plan."""
        return float(self.raw.get("Actual Loops", 0))

    def amount(self, key: str) -> float:
        """A counter of EXPLAIN, which includes all nodes that ran while this node ran."""
        return float(self.raw.get(key, 0))

    @property
    def summed_ms(self) -> float:
        """The time of all loops, added up over its processes."""
        return self.amount("Actual Total Time") * self.loops

    @property
    def startup_ms(self) -> float:
        """The time to the first row of each loop, added up."""
        return self.amount("Actual Startup Time") * self.loops


class Forest:
    """All nodes of a plan, from the raw JSON of its root."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.entries: list[Entry] = []
        self._parameters: dict[int, set[str]] = {}
        self._ctes: dict[int, list[int]] = {}
        pending: list[tuple[Mapping[str, Any], int | None]] = [(root, None)]
        while pending:
            raw, parent = pending.pop()
            entry = self._add(raw, parent)
            pending += [(child, entry.number) for child in reversed(raw.get("Plans", ()))]
        for entry in reversed(self.entries):
            entry.end = self[entry.children[-1]].end if entry.children else entry.number + 1

    def __getitem__(self, number: int) -> Entry:
        """Return a node by its number."""
        return self.entries[number]

    def _add(self, raw: Mapping[str, Any], parent: int | None) -> Entry:
        link, gather = Link.INPUT, None
        if parent is not None:
            above = self[parent]
            link = _link(raw, above.raw)
            gather = parent if link is Link.PARALLEL else above.gather
        entry = Entry(raw=raw, number=len(self.entries), parent=parent, link=link, gather=gather)
        self.entries.append(entry)
        if parent is not None:
            self[parent].children.append(entry.number)
            if link is Link.CTE:
                self._ctes.setdefault(parent, []).append(entry.number)
        return entry

    def carriers(self) -> dict[int, Sequence[int]]:
        """Return, for each subplan, the nodes that may have run it, the most likely first."""
        scans = self._scans()
        found: dict[int, Sequence[int]] = {}
        for entry in self.entries:
            if entry.link is Link.SUB and entry.parent is not None:
                found[entry.number] = (entry.parent,)
            elif entry.link is Link.CTE:
                found[entry.number] = self._likeliest(entry, scans.get(entry.number, ()))
            elif entry.link is Link.INIT:
                found[entry.number] = self._likeliest(entry, tuple(self._in_scope(entry)))
        return found

    def _likeliest(self, subplan: Entry, candidates: Sequence[int]) -> Sequence[int]:
        """Sort: nodes with its parameter, with a first row after it, then the nearest to its owner."""
        names = _parameters(subplan.raw.get("Subplan Name"))

        def key(number: int) -> tuple[bool, bool, int]:
            entry = self[number]
            unnamed = not (names and names & self._named(entry))
            first_ms = subplan.startup_ms if subplan.link is Link.CTE else subplan.summed_ms
            return unnamed, entry.startup_ms < first_ms * NEARLY, number

        return sorted((number for number in candidates if self[number].loops), key=key)

    def _named(self, entry: Entry) -> set[str]:
        """Parameters in its conditions. A Gather computes those of its processes before it starts them."""
        known = self._parameters.get(entry.number)
        if known is None:
            gathers = entry.raw["Node Type"] in GATHERS
            numbers = range(entry.number, entry.end) if gathers else (entry.number,)
            known = {each for number in numbers for each in _parameters(self[number].raw)}
            self._parameters[entry.number] = known
        return known

    def _in_scope(self, subplan: Entry) -> Iterator[int]:
        """Yield the nodes that may use an InitPlan: below its owner, not in itself nor in an earlier one."""
        assert subplan.parent is not None
        owner = self[subplan.parent]
        closed = {
            number
            for child in owner.children
            if self[child].link in (Link.INIT, Link.CTE) and child <= subplan.number
            for number in range(child, self[child].end)
        }
        for number in range(owner.number, owner.end):
            if number not in closed and self[number].gather == subplan.gather:
                yield number

    def _scans(self) -> dict[int, list[int]]:
        """Return the CTE Scans of each CTE: of two with the same name the innermost counts, as in SQL."""
        found: dict[int, list[int]] = {}
        for entry in self.entries:
            if entry.raw["Node Type"] == "CTE Scan":
                cte = self._cte_of(entry)
                if cte is not None:
                    found.setdefault(cte, []).append(entry.number)
        return found

    def _cte_of(self, scan: Entry) -> int | None:
        wanted = f"CTE {scan.raw.get('CTE Name')}"
        above: int | None = scan.number
        while above is not None:
            for number in reversed(self._ctes.get(above, ())):
                child = self[number]
                inside = number <= scan.number < child.end
                if child.raw.get("Subplan Name") == wanted and not inside:
                    return number
            above = self[above].parent
        return None


def _link(raw: Mapping[str, Any], above: Mapping[str, Any]) -> Link:
    relationship = raw.get("Parent Relationship")
    if relationship == "SubPlan":
        return Link.SUB
    if relationship == "InitPlan":
        return Link.CTE if str(raw.get("Subplan Name", "")).startswith("CTE ") else Link.INIT
    return Link.PARALLEL if above["Node Type"] in GATHERS else Link.INPUT


def _parameters(value: object) -> set[str]:
    if isinstance(value, str):
        return set(PARAMETER.findall(value))
    if isinstance(value, list):
        return {found for each in value for found in _parameters(each)}
    if isinstance(value, Mapping):
        return {
            found
            for key, each in value.items()
            if key not in ("Plans", "Subplan Name")
            for found in _parameters(each)
        }
    return set()
