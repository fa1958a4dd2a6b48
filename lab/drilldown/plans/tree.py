"""A plan as a tree of nodes, each with its time with and without its children, its rows and its blocks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# From this factor on a wrong row estimate is reported.
MISESTIMATED = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Buffers:
    """Own blocks of a node, of 8 KiB, in all its loops and processes."""

    hit: int
    read: int
    dirtied: int
    written: int
    temp_read: int
    temp_written: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One node of a plan.

    Attributes:
        id: its number in the order in which EXPLAIN prints the nodes; 0 is the root.
        type: of PostgreSQL, such as `Seq Scan`.
        relation: the table it reads or writes; None for most nodes.
        index: the index it uses.
        label: its type and object: `Seq Scan on installments i`.
        role: its relation to its parent, such as `InitPlan 1`; None for an input.
        conditions: its filter, join, sort and index conditions, literals replaced by `?`.
        estimated_rows: per loop, by the planner.
        rows: per loop, actual; None in an estimated plan or of a node that was never executed.
        loops: the number of executions; 0 when it was never executed, None in an estimated plan.
        removed_rows: rows removed by its filters, over all loops.
        misestimate: actual rows divided by estimated rows; None when it had fewer but may have been stopped
            before its last row.
        cost: the planner's, children included.
        total_ms: inclusive time over all loops; below a Gather, of the slowest process; None when it was
            not measured.
        self_ms: its own part of the root's time; the own times of all nodes add up to the root's.
        after_ms: its own time after the main plan, in a data-modifying CTE that nothing reads to its end.
        share: `self_ms` as a share of the plan's time, 0 to 1.
        buffers: its own blocks; those of all nodes add up to the root's. None when they were not counted.
        after_buffers: its own blocks after the main plan.
    """

    id: int
    type: str
    relation: str | None
    index: str | None
    label: str
    role: str | None
    conditions: Mapping[str, str]
    estimated_rows: float
    rows: float | None
    loops: float | None
    removed_rows: float
    misestimate: float | None
    cost: float
    total_ms: float | None
    self_ms: float | None
    after_ms: float | None
    share: float | None
    buffers: Buffers | None
    after_buffers: Buffers | None
    children: tuple["Node", ...]

    @property
    def own_cost(self) -> float:
        """Its cost without its children's; 0 for a LIMIT, which does not run its input to the end."""
        return max(self.cost - sum(child.cost for child in self.children), 0.0)

    def walk(self) -> Iterator["Node"]:
        """Yield this node and all below it, in the order in which EXPLAIN prints them."""
        pending = [self]
        while pending:
            node = pending.pop()
            yield node
            pending += reversed(node.children)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """A cause of time outside the plan: a trigger, planning, a lock wait. `ms` is its time."""

    what: str
    ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Outside:
    """The part of the server's time in which no node of the plan ran.

    Attributes:
        ms: of `server_ms`.
        causes: the known causes, the longest first.
        mostly: whether it is more than half of the server's time.
    """

    ms: float
    server_ms: float
    causes: tuple[Cause, ...]
    mostly: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A plan. `executed` is True if it has actual rows and times, not only the planner's estimates.

    Attributes:
        total_ms: of the root; None in an estimated plan, and with TIMING OFF.
        outside: the server's time outside the plan; None when the server's time or the plan's is unknown.
        jit_ms: JIT compilation in all processes; it is part of the nodes' own times or of the time outside.
        worst: the id of the slowest node: that with the largest own time; by estimated cost without times;
            None when no node has a cost worth naming.
        worst_node: one sentence about that node; before it one about the time outside the plan, if that is
            longer; after it one about another node that may also be the slowest.
        summary: the plan in one line, from the root down to its tables.
        nodes: the number of nodes.
    """

    executed: bool
    total_ms: float | None
    outside: Outside | None
    jit_ms: float | None
    worst: int | None
    worst_node: str
    summary: str
    nodes: int
    root: Node

    def shown(self, limit: int) -> list[Node]:
        """Return about `limit` nodes in EXPLAIN's order: the slowest ones, and all their ancestors."""
        if self.nodes <= limit:
            return list(self.root.walk())
        above: dict[int, Node] = {}
        every = list(self.root.walk())
        for node in every:
            above |= {child.id: node for child in node.children}
        chosen: set[int] = {0}
        for node in sorted(every, key=_weight, reverse=True):
            if len(chosen) >= limit:
                break
            path: Node | None = node
            while path is not None and path.id not in chosen:
                chosen.add(path.id)
                path = above.get(path.id)
        return [node for node in every if node.id in chosen]


def _weight(node: Node) -> float:
    return node.own_cost if node.self_ms is None else node.self_ms
