"""The blocking tree where pg_blocking_pids is not a list of distinct sessions."""

from io import StringIO
from pathlib import Path
from threading import Thread

from rich.console import Console

from lab.cli.views.sessions import render
from lab.clients.database import Role, connect, dsn, rows
from lab.drilldown import sessions
from lab.drilldown.sessions import PREPARED_TRANSACTION, Session
from lab.foundation.readiness import await_state
from lab.stack.native.binaries import Program
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import NOT_DURABLE, free_port, running, settings_for

WAIT_S = 150.0
WAITING = "TRUNCATE seed_manifest"


def test_a_prepared_transaction_that_blocks_is_named(postgres: Program, tmp_path: Path) -> None:
    """It belongs to no session: PostgreSQL gives 0 for its pid."""
    cluster = Cluster(
        settings=settings_for(port=free_port(), database="lab"),
        state=tmp_path / "server",
        bin=postgres.path.parent,
        libraries=postgres.libraries,
        options=(*NOT_DURABLE, ("max_prepared_transactions", "2")),
    )
    settings = cluster.settings
    with running(cluster):
        cluster.initialise()
        with connect(dsn(settings, Role.OWNER)) as holder:
            rows(holder, "BEGIN; LOCK TABLE seed_manifest; PREPARE TRANSACTION 'forgotten'")
            waiter = Thread(target=_truncate, args=[dsn(settings, Role.OWNER)])
            waiter.start()
            try:
                await_state("the TRUNCATE waits", lambda: _not_waiting(cluster), within_s=WAIT_S)
                found = sessions.live(settings)
            finally:
                rows(holder, "ROLLBACK PREPARED 'forgotten'")
                waiter.join(WAIT_S)
    [waiting] = [session for session in found.sessions if session.text == WAITING]
    assert waiting.blocked_by == (PREPARED_TRANSACTION,)
    shown = StringIO()
    Console(width=160, file=shown).print(render(found))
    assert "a prepared transaction: see pg_prepared_xacts" in shown.getvalue()


def _truncate(target: str) -> None:
    with connect(target) as connection:
        rows(connection, WAITING)


def _not_waiting(cluster: Cluster) -> str | None:
    found = sessions.live(cluster.settings)
    return (
        None if any(s.blocked_by for s in found.sessions) else f"no session waits: {found.absent}"
    )


def test_a_session_that_blocks_by_several_of_its_processes_is_there_once() -> None:
    """The list has a parallel query's leader once for each worker that holds the lock."""
    row = (
        *(7, "u", "a", "d", "active", "Lock", "relation", None, "SELECT 1"),
        *("client backend", 1.0, 1.0, 1.0, [5, 5, 9, 5, 0, 0]),
    )
    assert Session.from_row(row).blocked_by == (5, 9, 0)
