"""Plans of a hundred levels and of thousands of nodes, from a real server's log to the drilldown."""

from dataclasses import replace

import pytest

from lab.clients.database import Role, rows
from lab.drilldown.execution import PlanSource, StatementExecution
from lab.drilldown.executions import execution
from lab.stack.native.cluster import Cluster
from lab.telemetry.store import Execution
from tests import evidence
from tests.fix_postgres import Database
from tests.fix_store import Store
from tests.integration.test_pglog_postgres import TRACE, Follower, comment, span_id

LEVELS = 110
MEMBERS = 4_000
SETTINGS = "SET join_collapse_limit = 1; SET enable_hashjoin = off; SET enable_mergejoin = off"


@pytest.fixture
def follower(cluster: Cluster, store: Store) -> Follower:
    return Follower(cluster, store)


def explained(follower: Follower, number: int) -> StatementExecution:
    """Return the execution of a comment's span, once it is in the store."""
    reader = follower.store.reader
    [logged] = follower.until(
        f"execution of span {number}",
        lambda: reader.select(Execution, "span_id = ?", [span_id(number)]),
    )
    span = replace(
        evidence.statement(1),
        trace_id=f"{TRACE}{number:04x}",
        span_id=span_id(number),
        parent_id=None,
        start_ns=logged.at_ns - logged.duration_ns,
        duration_ns=logged.duration_ns,
    )
    follower.store.writer.commit([span], timeout_s=60)
    return execution(reader, span.trace_id, span.span_id)


def test_a_plan_of_a_hundred_levels_is_shown(database: Database, follower: Follower) -> None:
    """A left-deep join of 110 tables: each join is a level."""
    joins = " ".join(f"JOIN one p{n} ON p{n}.id = p{n - 1}.id" for n in range(1, LEVELS))
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, f"CREATE TABLE one AS SELECT 1 AS id; {SETTINGS}")
        rows(connection, f"{comment(70)}SELECT count(*), pg_sleep(0.4) FROM one p0 {joins}")
    found = explained(follower, 70).plan
    assert found.source is PlanSource.EXECUTED, found.note
    assert found.tree
    assert found.tree.nodes > 2 * LEVELS
    assert "Aggregate, slowest node" in (found.worst_node or "")


def test_a_plan_of_thousands_of_nodes_is_shown(database: Database, follower: Follower) -> None:
    """An Append with 4,000 members: five megabytes of JSON in one line of the log."""
    members = " UNION ALL ".join(["SELECT id FROM one"] * MEMBERS)
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, "CREATE TABLE one AS SELECT 1 AS id")
        rows(connection, f"{comment(71)}SELECT count(*), pg_sleep(0.4) FROM ({members}) x")
    found = explained(follower, 71).plan
    assert found.source is PlanSource.EXECUTED, found.note
    assert found.tree
    assert found.tree.nodes == MEMBERS + 2
    assert len(found.tree.shown(500)) <= 500 + 2
