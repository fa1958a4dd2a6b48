"""psycopg2 under ddtrace behind PgBouncer, and two-phase commits: each execution is its own span's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.drilldown.execution import PlanSource, StatementExecution
from lab.stack.native.binaries import Program
from lab.stack.native.cluster import Cluster
from tests.fix_pgbouncer import Pooled
from tests.fix_postgres import NOT_DURABLE, Database, free_port, running, settings_for
from tests.integration.test_driver_executions import Driven, drive

CASES = (
    "queued",
    "two_cursors",
    "executemany",
    "two_statements",
    "prepared",
    "callproc",
    "composed",
)


@pytest.fixture(params=["session", "transaction"])
def pooled_driven(
    request: pytest.FixtureRequest,
    database: Database,
    cluster: Cluster,
    pooled: Pooled,
    tmp_path: Path,
) -> Iterator[Driven]:
    """The cases behind a pool of one session in a mode; two clients need two sessions of session mode."""
    cases = CASES if request.param == "transaction" else CASES[1:]
    behind = pooled(database, mode=request.param)
    with drive(behind, cluster.data / "log", tmp_path, *cases) as found:
        yield found


def test_behind_a_pooler_each_execution_is_its_own_spans(pooled_driven: Driven) -> None:
    """All clients share one session of PostgreSQL: its process id alone leads to another's FETCH."""
    driven = pooled_driven
    for found, least in zip(driven.of("two_cursors"), (300, 600), strict=True):
        assert shown(found) == {PlanSource.EXECUTED: 1, PlanSource.NONE: 1}
        assert found.server_ms is not None
        assert least <= found.server_ms
    assert shown(driven.only("executemany")) == {PlanSource.EXECUTED: 3}
    assert shown(driven.only("two_statements")) == {PlanSource.EXECUTED: 2}
    assert [shown(found) for found in driven.of("prepared")] == [
        {},
        *2 * [{PlanSource.EXECUTED: 1}],
    ]
    assert "no traceparent" in driven.only("callproc").absent["server_ms"]
    assert shown(driven.only("composed")) == {PlanSource.EXECUTED: 1}


def test_a_cursor_of_the_same_name_is_not_taken_for_the_client_that_waited(
    database: Database, cluster: Cluster, pooled: Pooled, tmp_path: Path
) -> None:
    """In transaction mode the second client's span begins while the first one fetches in that session."""
    with drive(pooled(database), cluster.data / "log", tmp_path, "queued", "composed") as driven:
        for found in driven.of("queued"):
            [fetch] = [each for each in found.executions if each.plan.source is PlanSource.NONE]
            [cursor] = [
                each for each in found.executions if each.plan.source is PlanSource.EXECUTED
            ]
            # The other one takes half or twice as long.
            assert fetch.server_ms == pytest.approx(cursor.server_ms, rel=0.35)


def shown(found: StatementExecution) -> dict[PlanSource, int]:
    sources = [each.plan.source for each in found.executions]
    return {source: sources.count(source) for source in sources}


@pytest.fixture
def two_phase(postgres: Program, tmp_path: Path) -> Iterator[Driven]:
    """A server that takes prepared transactions, as the lab's own does not."""
    own = Cluster(
        settings=settings_for(port=free_port(), database="lab_template"),
        state=tmp_path / "postgres",
        bin=postgres.path.parent,
        libraries=postgres.libraries,
        options=(*NOT_DURABLE, ("max_prepared_transactions", "4")),
    )
    with running(own):
        own.initialise()
        folder = tmp_path / "driven"
        folder.mkdir()
        names = ("two_phase", "two_phase_by_statements")
        with drive(Database(settings=own.settings), own.data / "log", folder, *names) as found:
            yield found


def test_a_two_phase_commit_takes_no_time_from_its_statements(two_phase: Driven) -> None:
    """PREPARE TRANSACTION and COMMIT PREPARED are executions of their own, without a plan."""
    created = two_phase.only("two_phase")
    assert shown(created) == {PlanSource.EXECUTED: 1}
    update, prepare, select, commit = two_phase.of("two_phase_by_statements")
    for found, least in ((created, 300), (update, 300), (select, 250)):
        assert found.server_ms is not None
        assert least <= found.server_ms <= found.client_ms
    assert [found.text for found in (prepare, commit)] == [
        "PREPARE TRANSACTION ?", "COMMIT PREPARED ?",
    ]  # fmt: skip
    for found in (prepare, commit):
        assert PlanSource.EXECUTED not in shown(found)
