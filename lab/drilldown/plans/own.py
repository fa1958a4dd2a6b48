"""Own (exclusive) times and blocks of each node of a plan, which add up to the root's total.

EXPLAIN's time and blocks of a node include all nodes that ran while it ran: its inputs, and each subplan that
it ran, wherever that is printed. So a subplan's amount is subtracted from the nodes that ran it, up to their
own amounts; the rest occurred when the owner shut it down or, of a data-modifying CTE, after the main plan.
Below a Gather a time is the sum over several parallel processes. With times per worker the slowest process
counts; without them the time is divided by the number of processes. If another node were the slowest when one
process did as much as fits into the Gather's time, this is assumed: a Gather waits for its processes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.drilldown.plans.forest import NEARLY, Entry, Forest, Link
from lab.drilldown.plans.workers import ms_of, slowest_process

# Below this share of a CTE's amount, what its scans lack is the rounding of averages.
ROUNDING = 0.02
DIGITS = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Own:
    """Own amounts by node number: while the root ran, and after the main plan."""

    during: Sequence[float]
    after: Sequence[float]


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnTimes(Own):
    """Milliseconds; `total` is the inclusive time of a node."""

    total: Sequence[float]


@dataclass(frozen=True, slots=True)
class Share:
    """The parts of a subtree's amount: that of the root, and that after the main plan."""

    during: float = 0.0
    after: float = 0.0

    def __add__(self, other: "Share") -> "Share":
        return Share(self.during + other.during, self.after + other.after)

    def times(self, factor: float) -> "Share":
        """Return a part of it."""
        return Share(self.during * factor, self.after * factor)


@dataclass(kw_only=True)
class _Split:
    """The calculation of own from inclusive amounts, of time or of one kind of block."""

    forest: Forest
    inclusive: Sequence[float]
    inputs: tuple[Link, ...]
    own: list[float] = field(default_factory=list)
    below: list[float] = field(default_factory=list)
    portions: dict[int, dict[int, float]] = field(default_factory=dict)
    after: dict[int, float] = field(default_factory=dict)
    shares: dict[int, Share] = field(default_factory=dict)

    def take_inputs(self) -> None:
        """Subtract its inputs from each node."""
        for entry in self.forest.entries:
            below = self._below(entry)
            self.below.append(below)
            self.own.append(max(self.inclusive[entry.number] - below, 0.0))

    def take_subplans(self, carriers: Mapping[int, Sequence[int]]) -> None:
        """Subtract each subplan from the nodes that ran it: first those with one possible node."""

        def key(number: int) -> tuple[bool, int, int]:
            return self.forest[number].link is Link.INIT, len(carriers[number]), number

        order = sorted(carriers, key=key)
        for number in order:
            self._take_subplan(self.forest[number], carriers[number])

    def _take_subplan(self, subplan: Entry, carriers: Sequence[int]) -> None:
        left = self.inclusive[subplan.number]
        taken = self.portions.setdefault(subplan.number, {})
        enough = next((n for n in carriers if self.own[n] >= left * NEARLY), None)
        by_amount = sorted(carriers, key=lambda n: -self.own[n])
        modifies = subplan.link is Link.CTE and subplan.raw["Node Type"] == "ModifyTable"
        last = [] if modifies or subplan.parent is None else [subplan.parent]
        for number in [*(by_amount if enough is None else [enough]), *last]:
            portion = min(self.own[number], left)
            self.own[number] -= portion
            taken[number] = taken.get(number, 0.0) + portion
            left -= portion
        if modifies and left > ROUNDING * self.inclusive[subplan.number]:
            self.after[subplan.number] = left

    def share(self, number: int) -> Share:
        """Return the part of a node's amount that belongs to the root's time, from the root down."""
        pending, begun = [number], set[int]()
        while pending:
            path, top = self._path(pending[-1])
            if top not in self.shares:
                missing = [each for each in self.portions.get(top, ()) if each not in self.shares]
                # An invalid plan, not made by PostgreSQL, may have subplans that run each other.
                if missing and top not in begun:
                    begun.add(top)
                    pending += missing
                    continue
                self.shares[top] = self._share_of_top(self.forest[top])
            for each in reversed(path):
                above = self.forest[each].parent or 0
                self.shares[each] = self.shares[above].times(self._kept(above))
            pending.pop()
        return self.shares[number]

    def _path(self, number: int) -> tuple[list[int], int]:
        """Return a node and its ancestors without a share, and the first of them that is not an input."""
        path: list[int] = []
        while number and number not in self.shares and self.forest[number].link in self.inputs:
            path.append(number)
            number = self.forest[number].parent or 0
        return path, number

    def _share_of_top(self, top: Entry) -> Share:
        if not top.link.is_subplan:
            # The root; and nodes below a Gather, which are fitted into the Gather's time afterwards.
            return Share(during=1.0)
        found = Share(after=self.after.get(top.number, 0.0))
        for carrier, portion in self.portions[top.number].items():
            found += self.shares.get(carrier, Share()).times(portion)
        return found.times(1 / (self.inclusive[top.number] or 1.0))

    def _kept(self, number: int) -> float:
        """The part of its inputs that a node contains: rounded averages may exceed its amount."""
        below = self.below[number]
        return min(1.0, self.inclusive[number] / below) if below else 1.0

    def _below(self, entry: Entry) -> float:
        children = (self.forest[number] for number in entry.children)
        return sum(self.inclusive[each.number] for each in children if each.link in self.inputs)


def times_of(
    forest: Forest, carriers: Mapping[int, Sequence[int]]
) -> tuple[OwnTimes, Sequence[float] | None]:
    """Return each node's own milliseconds; if they are uncertain, also those of evenly shared work.

    Args:
        forest: the plan.
        carriers: by subplan, the nodes that may have run it.
    """
    evenly = _own_times(forest, carriers, evenly=True)
    unevenly = _own_times(forest, carriers, evenly=False)
    if _slowest_of(evenly) == _slowest_of(unevenly):
        return evenly, None
    return unevenly, evenly.during


def _slowest_of(times: Own) -> int:
    return times.during.index(max(times.during))


def _own_times(forest: Forest, carriers: Mapping[int, Sequence[int]], *, evenly: bool) -> OwnTimes:
    slowest = slowest_processes(forest)
    inclusive = [_elapsed_ms(entry, slowest) for entry in forest.entries]
    split = _Split(forest=forest, inclusive=inclusive, inputs=(Link.INPUT,))
    split.take_inputs()
    split.take_subplans(carriers)
    sharing = [processes(forest, entry, slowest) for entry in forest.entries]
    found = [
        split.share(number).times(split.own[number] / sharing[number])
        for number in range(len(sharing))
    ]
    total = [ms / by for ms, by in zip(inclusive, sharing, strict=True)]
    for entry in forest.entries:
        if entry.link is Link.PARALLEL:
            most = [1.0] * len(sharing) if evenly else sharing
            factor = _fit(found, entry, split.share(entry.gather or 0), most)
            for number in range(entry.number, entry.end):
                total[number] *= max(factor, 1.0)
    return OwnTimes(
        during=[round(each.during, DIGITS) for each in found],
        after=[round(each.after, DIGITS) for each in found],
        total=total,
    )


def slowest_processes(forest: Forest) -> dict[int, int | None]:
    """Return by Gather the slowest process below it; None when the plan does not show it.

    For a Gather with several loops, the slowest process may differ in each loop.
    """
    return {
        entry.gather or 0: slowest_process(entry) if forest[entry.gather or 0].loops == 1 else None
        for entry in forest.entries
        if entry.link is Link.PARALLEL
    }


def _elapsed_ms(entry: Entry, slowest: Mapping[int, int | None]) -> float:
    process = None if entry.gather is None else slowest[entry.gather]
    return entry.summed_ms if process is None else ms_of(entry, process)


def own_blocks(forest: Forest, carriers: Mapping[int, Sequence[int]], key: str) -> Own:
    """Return the own blocks of one kind of each node; a Gather's inclusive blocks contain its processes'."""
    inclusive = [entry.amount(key) for entry in forest.entries]
    if not any(inclusive):
        return Own(during=inclusive, after=inclusive)
    split = _Split(forest=forest, inclusive=inclusive, inputs=(Link.INPUT, Link.PARALLEL))
    split.take_inputs()
    split.take_subplans(carriers)
    found = [split.share(entry.number).times(split.own[entry.number]) for entry in forest.entries]
    return Own(
        during=_whole([each.during for each in found]), after=_whole([each.after for each in found])
    )


def processes(forest: Forest, entry: Entry, slowest: Mapping[int, int | None]) -> float:
    """Return the number of processes in a node's time: all that ran it in parallel, or 1 for the slowest."""
    if entry.gather is None or slowest[entry.gather] is not None:
        return 1.0
    gather = forest[entry.gather]
    top = next(n for n in gather.children if forest[n].link is Link.PARALLEL)
    each = gather.loops or 1.0
    return max(min(forest[top].loops, entry.loops) / each, 1.0)


def _fit(found: list[Share], top: Entry, share: Share, most: Sequence[float]) -> float:
    """Fit the times below a Gather into its own time, which includes the wait for its processes.

    Returns the factor of the change; `most` is the largest factor of each node.
    """
    assert top.gather is not None
    gather = found[top.gather]
    below = range(top.number, top.end)
    whole = sum(found[number].during for number in below)
    longest = sum(found[number].during * most[number] for number in below)
    room = gather.during + gather.after
    part = share.during + share.after
    factor = min(longest * part, room) / (whole * part) if whole * part else 0.0
    for number in below:
        found[number] = share.times(found[number].during * factor)
    used = share.times(whole * factor)
    found[top.gather] = Share(gather.during - used.during, gather.after - used.after)
    return factor


def _whole(amounts: Sequence[float]) -> list[float]:
    """Round to whole blocks with the same rounded sum."""
    found = [float(int(amount + 1e-9)) for amount in amounts]
    missing = round(sum(amounts) - sum(found))
    fractions = sorted(range(len(found)), key=lambda n: found[n] - amounts[n])
    for number in fractions[:missing]:
        found[number] += 1
    return found
