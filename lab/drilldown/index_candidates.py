"""Candidates for an index, from the conditions of a plan: columns that are compared in scans and joins.

Pure functions over a plan of EXPLAIN (FORMAT JSON, VERBOSE), in which each column has the alias of its table.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST = 12
MOST_COLUMNS = 3
SCANS = frozenset({"Seq Scan", "Index Scan", "Bitmap Heap Scan", "Index Only Scan"})
JOINS = ("Hash Cond", "Merge Cond", "Join Filter")
# A quoted name, or one that needs no quotes; at most 63 bytes.
NAME = r'(?:"[^"]{1,63}"|[a-z_][a-z0-9_$]{0,62})'
CAST = r"(?:\)?::[a-z ]{1,30}(?:\[\])?)?"
COMPARED = re.compile(rf"\(?({NAME})\.({NAME})\)?{CAST} (=|<=|>=|<|>) ")
MIRRORED = re.compile(rf" (=|<=|>=|<|>) \(?({NAME})\.({NAME})\)?{CAST}(?=\)|$)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A table and the columns of an index on it, in order."""

    schema: str
    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scan:
    schema: str
    table: str
    alias: str
    equal: tuple[str, ...]
    ranges: tuple[str, ...]


def candidates(plan: Mapping[str, Any]) -> tuple[Candidate, ...]:
    """Return candidates for the scans of a plan that filter rows, and for joins with a table that is scanned.

    An index whose columns are compared with `=` comes before one with a range; at most twelve.
    """
    nodes = list(_nodes(plan))
    joined = [text for node in nodes for name in JOINS if (text := node.get(name))]
    found: dict[Candidate, None] = {}
    for node in nodes:
        if node.get("Node Type") in SCANS and "Relation Name" in node:
            scan = _scan(node)
            for columns in _columns(scan, _of_joins(joined, scan.alias)):
                found[Candidate(schema=scan.schema, table=scan.table, columns=columns)] = None
    return tuple(found)[:MOST]


def compared(condition: str, alias: str) -> Iterator[tuple[str, bool]]:
    """Yield the columns of an alias that a condition compares, and whether with `=`.

    >>> list(compared("((p.a = $1) AND (p.b > now()) AND (q.c = p.d))", "p"))
    [('a', True), ('b', False), ('d', True)]
    """
    found = [(m.start(), m[1], m[2], m[3]) for m in COMPARED.finditer(condition)]
    found += [(m.start(), m[2], m[3], m[1]) for m in MIRRORED.finditer(condition)]
    for _, table, column, operator in sorted(found):
        if table.strip('"') == alias:
            yield column.strip('"'), operator == "="


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    pending = [plan]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(node.get("Plans", ()))


def _scan(node: Mapping[str, Any]) -> _Scan:
    alias = node.get("Alias", node["Relation Name"])
    condition = node.get("Filter", "")
    # A column of one branch of an OR does not limit the rows.
    found = [] if " OR " in condition else list(compared(condition, alias))
    index = node.get("Index Cond", "") or node.get("Recheck Cond", "")
    found += list(compared(index, alias)) if found else []
    return _Scan(
        schema=node["Schema"],
        table=node["Relation Name"],
        alias=alias,
        equal=tuple(dict.fromkeys(column for column, equal in found if equal)),
        ranges=tuple(dict.fromkeys(column for column, equal in found if not equal)),
    )


def _of_joins(conditions: Sequence[str], alias: str) -> tuple[str, ...]:
    found = (column for text in conditions for column, equal in compared(text, alias) if equal)
    return tuple(dict.fromkeys(found))


def _columns(scan: _Scan, joined: Sequence[str]) -> Iterator[tuple[str, ...]]:
    equal, ranges = scan.equal[:MOST_COLUMNS], scan.ranges
    if equal:
        yield from ((column,) for column in equal)
        if len(equal) > 1:
            yield equal
        if ranges and ranges[0] not in equal:
            yield (*equal[: MOST_COLUMNS - 1], ranges[0])
    yield from ((column,) for column in ranges)
    for column in joined:
        yield (column,)
        if equal and column not in equal:
            yield (*equal[: MOST_COLUMNS - 1], column)
