"""Nodes of a plan that may stop before their last row: below a LIMIT, and inside a join that needs one match.

Fewer rows than the planner estimated are no wrong estimate there: the planner estimates all rows.
"""

from lab.drilldown.plans.forest import Entry, Forest, Link

# These read their whole input before their first row.
BLOCKING = frozenset({"Sort", "Hash", "Bitmap Heap Scan", "BitmapAnd", "BitmapOr"})
STREAMING_STRATEGIES = frozenset({"Sorted"})
ONE_MATCH = frozenset({"Semi", "Anti", "Right Semi", "Right Anti"})


def may_stop_early(forest: Forest, entry: Entry) -> bool:
    """Return whether a node above this one may stop reading it.

    A Merge Join stops when one of its inputs ends.
    """
    below = entry
    while below.parent is not None and below.link in (Link.INPUT, Link.PARALLEL):
        above = forest[below.parent]
        kind = above.raw["Node Type"]
        if kind in {"Limit", "Merge Join"} or _needs_one_match(above, below):
            return True
        if kind in BLOCKING or _aggregates_all(above):
            return False
        below = above
    return False


def _needs_one_match(join: Entry, below: Entry) -> bool:
    if below.raw.get("Parent Relationship") != "Inner":
        return False
    one = join.raw.get("Join Type") in ONE_MATCH or join.raw.get("Inner Unique")
    return join.raw["Node Type"] == "Nested Loop" and bool(one)


def _aggregates_all(node: Entry) -> bool:
    return (
        node.raw["Node Type"] == "Aggregate"
        and node.raw.get("Strategy") not in STREAMING_STRATEGIES
    )
