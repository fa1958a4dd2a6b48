"""A plan as a tree to look at: each node with its total and with what it did itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# From here on the planner's estimate is worth a word.
MISESTIMATED = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Buffers:
    """Blocks of 8 KiB that a node touched, with all its loops and without its children."""

    hit: int = 0
    read: int = 0
    dirtied: int = 0
    written: int = 0
    temp_read: int = 0
    temp_written: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One node of a plan.

    Attributes:
        id: its number in the order in which EXPLAIN prints the nodes; 0 is the root.
        type: PostgreSQL's word, such as `Seq Scan`.
        relation: the table it reads or writes; None for most nodes.
        index: the index it uses.
        label: how a person calls it: `Seq Scan on installments i`.
        role: what it is to its parent, such as `InitPlan 1`, when that is more than an input.
        conditions: what it filters, joins or sorts by, literals replaced by `?`.
        estimated_rows: per loop, by the planner.
        rows: per loop, as they came; None in an estimated plan or of a node that never ran.
        loops: how often it ran; 0 when it never did, None in an estimated plan.
        removed_rows: rows that its conditions threw away, over all loops.
        misestimate: how many times too few (above 1) or too many (below 1) rows were expected.
        cost: the planner's, children included.
        total_ms: over all loops, children included; None when it was not measured.
        self_ms: the same without the children.
        share: `self_ms` as a share of the plan's time, 0 to 1.
        buffers: without the children; None when they were not counted.
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
    share: float | None
    buffers: Buffers | None
    children: tuple["Node", ...]

    @property
    def own_cost(self) -> float:
        """Its cost without its children's; 0 for a LIMIT, which stops early what it reads from."""
        return max(self.cost - sum(child.cost for child in self.children), 0.0)

    def walk(self) -> Iterator["Node"]:
        """Yield this node and all below it, in the order in which EXPLAIN prints them."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A plan. `executed` says whether it has actual rows and times, or the planner's estimates only.

    Attributes:
        total_ms: of the root; None in an estimated plan.
        worst: the id of the node that took most of the time, by estimated cost if nothing was measured.
        worst_node: one sentence about that node.
        summary: the plan in one line, from the root down to its tables.
    """

    executed: bool
    total_ms: float | None
    worst: int
    worst_node: str
    summary: str
    root: Node
