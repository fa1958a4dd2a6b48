"""The plans of one statement: plan changes over time, and the tables that they access."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from lab.drilldown.plans.reading import tree
from lab.drilldown.plans.tree import Tree
from lab.drilldown.queries import SQL
from lab.foundation.timestamps import moment, ms
from lab.telemetry.store import Reader

MAX_PERIODS = 40
# The number of latest executed plans from which a statement's blocks per table are counted.
PLANS_FOR_TABLES = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanPeriod:
    """A time range in which all plans seen of a statement were equal.

    Attributes:
        shape: equal for plans with the same nodes, tables and indexes.
        changed: whether another plan was seen before it.
        executed, estimated: the number of plans of each kind.
        mean_ms, slowest_ms: of the executed ones.
        trace_id, span_id: of the slowest of them.
    """

    shape: str
    since: datetime
    until: datetime
    changed: bool
    executed: int
    estimated: int
    mean_ms: float | None
    slowest_ms: float | None
    trace_id: str | None
    span_id: str | None
    summary: str
    worst_node: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TableTouched:
    """A table in a statement's plans.

    Attributes:
        access: the scan nodes, such as `Index Scan using customers_cpf_key`.
        plans: the number of executed plans from which the blocks are counted.
        hit_ratio: share of its blocks that were found in shared_buffers; None when none were counted.
        table_hit_ratio: the same for all statements of the last five minutes, by Prometheus.
    """

    name: str
    access: tuple[str, ...]
    plans: int
    blocks_hit: int
    blocks_read: int
    hit_ratio: float | None
    table_hit_ratio: float | None


def periods(reader: Reader, plans: Sequence[tuple[Any, ...]]) -> tuple[PlanPeriod, ...]:
    """Return the last periods of a statement's plans, which are rows of `plans` in lab/drilldown/queries.sql.

    A plan counts as in use from the first time it was seen until another one was seen.
    """
    # One period more is read, to know whether the first one shown was a change.
    return tuple(_periods(reader, plans))[-MAX_PERIODS:]


def _periods(reader: Reader, plans: Sequence[tuple[Any, ...]]) -> Iterator[PlanPeriod]:
    runs = [list(run) for _, run in groupby(plans, key=lambda row: row[4])][-MAX_PERIODS - 1 :]
    slowest_of = [
        max((row for row in run if row[2]), key=lambda row: row[3] or 0, default=None)
        for run in runs
    ]
    shown_of = [(slowest or run[0])[0] for run, slowest in zip(runs, slowest_of, strict=True)]
    trees = _trees(reader, shown_of)
    for number, (run, slowest, shown) in enumerate(zip(runs, slowest_of, shown_of, strict=True)):
        executed = [row for row in run if row[2]]
        yield PlanPeriod(
            shape=run[0][4],
            since=moment(run[0][1]),
            until=moment(run[-1][1]),
            changed=number > 0,
            executed=len(executed),
            estimated=len(run) - len(executed),
            mean_ms=ms(sum(row[3] for row in executed) // len(executed)) if executed else None,
            slowest_ms=ms(slowest[3]) if slowest else None,
            trace_id=slowest[5] if slowest else None,
            span_id=slowest[6] if slowest else None,
            summary=trees[shown].summary,
            worst_node=trees[shown].worst_node,
        )


def tables_touched(
    reader: Reader, plans: Sequence[tuple[Any, ...]], ratios: Mapping[str, float]
) -> Iterator[TableTouched]:
    """Yield the tables that a statement accesses, by its latest plans.

    From executed plans, which have block counts; without any, from estimated ones, which have names only.
    """
    executed = [row[0] for row in plans if row[2]][-PLANS_FOR_TABLES:]
    latest = executed or [row[0] for row in plans[-1:]]
    nodes = [
        node
        for read in _trees(reader, latest).values()
        for node in read.root.walk()
        if node.relation
    ]
    for name in sorted({node.relation for node in nodes if node.relation}):
        own = [node for node in nodes if node.relation == name]
        hit = sum(node.buffers.hit for node in own if node.buffers)
        read = sum(node.buffers.read for node in own if node.buffers)
        yield TableTouched(
            name=name,
            access=tuple(sorted({_access(node.type, node.index) for node in own})),
            plans=len(executed),
            blocks_hit=hit,
            blocks_read=read,
            hit_ratio=round(hit / (hit + read), 4) if hit + read else None,
            table_hit_ratio=ratios.get(name),
        )


def _trees(reader: Reader, ids: Sequence[int]) -> dict[int, Tree]:
    found = reader.rows(SQL["definitions"], {"ids": json.dumps(ids)})
    return {
        identity: tree(definition, server_ms=None if duration_ns is None else ms(duration_ns))
        for identity, definition, duration_ns in found
    }


def _access(kind: str, index: str | None) -> str:
    return f"{kind} using {index}" if index else kind
