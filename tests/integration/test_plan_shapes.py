"""Plans of real servers, PostgreSQL 15 and 18: the invariants hold, and the node that waited is named."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.clients.database import Connection, Role, connect, dsn, rows
from lab.stack.native.cluster import Cluster
from tests.plan_invariants import check
from tests.plan_shapes import SHAPES, TABLES, Shape

OPTIONS = {
    "as EXPLAIN does": "ANALYZE, BUFFERS", "without times": "ANALYZE, BUFFERS, TIMING OFF",
    "per worker": "ANALYZE, BUFFERS, VERBOSE",
}  # fmt: skip


@contextmanager
def shapes_of(cluster: Cluster) -> Iterator[Connection]:
    settings = cluster.settings
    with connect(dsn(settings, Role.SUPERUSER, database="postgres")) as administrator:
        rows(administrator, "CREATE DATABASE plan_shapes TEMPLATE template0")
    with connect(dsn(settings, Role.SUPERUSER, database="plan_shapes")) as connection:
        rows(connection, TABLES)
        yield connection


@pytest.fixture(scope="module")
def on_15(cluster: Cluster) -> Iterator[Connection]:
    with shapes_of(cluster) as connection:
        yield connection


@pytest.fixture(scope="module")
def on_18(cluster18: Cluster) -> Iterator[Connection]:
    with shapes_of(cluster18) as connection:
        yield connection


def explain(connection: Connection, shape: Shape, options: str, *, longer: int = 1) -> str:
    """Explain a shape; its naps last `longer` times as long."""
    rows(connection, "BEGIN")
    try:
        for name, value in {**shape.settings, "nap.longer": str(longer)}.items():
            rows(connection, f"SET LOCAL {name} = '{value}'")
        [[plan]] = rows(connection, f"EXPLAIN ({options}, FORMAT JSON) {shape.sql}")
        return json.dumps(plan)
    finally:
        rows(connection, "ROLLBACK")


def shows_where_it_waited(connection: Connection, shape: Shape, options: str) -> None:
    """On a busy machine another node may take longer than a nap: it is repeated with longer ones."""
    for longer in (1, 4, 16):
        found = check(explain(connection, shape, options, longer=longer))
        worst = next((node for node in found.root.walk() if node.id == found.worst), None)
        named = worst is not None and any(
            text.startswith(shape.slowest) for text in (worst.label, worst.role or "")
        )
        if named or not shape.slowest:
            break
    assert named or not shape.slowest, found.worst_node
    if shape.outside:
        assert shape.outside in found.worst_node


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_plans_of_15(on_15: Connection, shape: Shape) -> None:
    """Own times and blocks add up, none is negative, and the node that sleeps is the slowest."""
    shows_where_it_waited(on_15, shape, OPTIONS["as EXPLAIN does"])


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_plans_of_18(on_18: Connection, shape: Shape) -> None:
    """The same with the words and the fractional rows of PostgreSQL 18."""
    shows_where_it_waited(on_18, shape, OPTIONS["as EXPLAIN does"])


@pytest.mark.parametrize("options", ["without times", "per worker"])
def test_plans_with_other_options(on_15: Connection, options: str) -> None:
    """Without times blocks still add up; with times per worker the node that sleeps is named, for certain."""
    for shape in SHAPES:
        if options == "per worker":
            shows_where_it_waited(on_15, shape, OPTIONS[options])
        found = check(explain(on_15, shape, OPTIONS[options]))
        assert options == "without times" or "shared the work" not in found.worst_node


def test_plans_that_were_not_executed(on_15: Connection) -> None:
    """EXPLAIN without ANALYZE: estimates only."""
    for shape in SHAPES:
        found = check(explain(on_15, shape, "COSTS"))
        assert not found.executed
        assert "the plan was not executed" in found.worst_node
