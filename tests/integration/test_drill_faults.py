"""Drills that need PostgreSQL alone, by the real runner: each fault is proven, held and healed.

The acceptance tests run all of them in a lab under load; here the proof rests on the drill's own sessions.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lab.clients.database import Role, connect, dsn, rows
from lab.drills import catalogue, healing
from lab.drills.journal import Journal, Step
from lab.drills.runner import Options, run
from lab.drills.running import DrillFiles
from lab.drills.scene import Scene
from lab.drills.sessions import APPLICATION
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from tests.fix_postgres import Database
from tests.fix_reporter import RecordedReporter
from tests.fix_workload import Wire, Wired, ask, one

# What a cluster of tests has no size, no services or no supervisor for: in the acceptance tests only.
DRILLS = (
    "burst", "connection-exhaustion", "cpu-bound-sql", "deadlocks", "held-snapshot", "idle-in-transaction",
    "n-plus-one", "rollback-storm", "row-lock-chain", "sequential-scans", "slow-query", "work-mem-spill",
)  # fmt: skip
ENDED_WITHIN_S = 150.0
OWN = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"


@pytest.fixture
def settings(seeded: Database, tmp_path: Path) -> LabSettings:
    return seeded.settings.model_copy(update={"lab_state_dir": tmp_path})


@pytest.mark.parametrize("name", DRILLS)
def test_a_fault_is_proven_held_and_healed(
    seeded: Database, settings: LabSettings, name: str
) -> None:
    """PostgreSQL shows it before it is held and to the end; then no session of it is left, nor its memory."""
    assert_runs(seeded, settings, name)


def assert_runs(seeded: Database, settings: LabSettings, name: str) -> None:
    drill, reporter = catalogue.find(name), RecordedReporter()
    place = DrillFiles(Paths.of(settings))
    with seeded.connect(Role.LAB) as bystander:
        [[pid]] = rows(bystander, "SELECT pg_backend_pid()")
        done = run(
            drill, settings, options=Options(duration_s=2.5, verify=False), reporter=reporter
        )
    assert pid not in done.pids, "a session that is not the drill's is blamed"
    assert done.proven_ns is not None, done.proof
    assert (done.held, done.outcome, done.verified) == (True, Outcome.OK, None)
    assert done.intensity == 1.0
    assert done.injected_ns < done.proven_ns < done.healed_ns
    assert done.healed_ns - done.proven_ns >= 2_500_000_000
    assert place.read() is None
    assert one(seeded, OWN, APPLICATION) == 0
    steps = [entry.step for entry in Journal(place.journal).entries()]
    assert steps == [Step.INJECT, Step.PROVEN, Step.HEAL, Step.HEALED]
    assert [end.split(" ")[0] for end in reporter.ends] == ["inject", "proof", "hold", "heal"]


def test_only_the_sessions_of_a_drill_are_ended(seeded: Database) -> None:
    """Those that a killed runner left, of each role; another session of the same role goes on."""
    scene = Scene.read_only(seeded.settings)
    with ExitStack() as kept:
        roles = (Role.APP, Role.OWNER, Role.LAB)
        others = [kept.enter_context(seeded.connect(role)) for role in roles]
        for role in roles:
            target = dsn(seeded.settings, role)
            kept.enter_context(connect(target, application_name=APPLICATION))
        await_state(
            "no session is left", lambda: healing._sessions_left(scene), within_s=ENDED_WITHIN_S
        )
        assert one(seeded, OWN, APPLICATION) == 0
        assert [rows(other, "SELECT 1") for other in others] == [[(1,)]] * 3


def test_the_intensity_multiplies_a_drills_sessions(
    seeded: Database, settings: LabSettings
) -> None:
    """At three times the intensity six sessions roll back, where the drill as designed has two."""
    drill = catalogue.find("rollback-storm")
    options = Options(duration_s=4.5, intensity=3.0, verify=False)
    done = run(drill, settings, options=options, reporter=RecordedReporter())
    assert len(done.pids) == 6
    assert done.intensity == 3.0
    assert one(seeded, OWN, APPLICATION) == 0


@contextmanager
def worked(wired: Wired, operation: str) -> Iterator[None]:
    """One service carries out one operation again and again, as under load."""
    ending = threading.Event()

    def work() -> None:
        while not ending.is_set():
            wired.run(operation)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


INDEX = "SELECT indexdef FROM pg_indexes WHERE indexname = 'credit_proposals_customer'"
DISTINCT = """
SELECT n_distinct = 1, reloptions FROM pg_stats JOIN pg_class ON relname = tablename
WHERE tablename = 'installments' AND attname = 'contract_id'"""


# The service and the operation whose statement it hits, and what is as before when it is healed.
OF_A_SERVICE = {
    "missing-index": ("customers", "lookup", INDEX),
    # Not `decide`, which uses up the pending proposals of the seed, and then reads nothing.
    "stale-statistics": ("customers", "statement", DISTINCT),
}


@pytest.mark.parametrize("name", OF_A_SERVICE)
def test_a_fault_of_a_services_own_statement_is_undone(
    seeded: Database, settings: LabSettings, wire: Wire, name: str
) -> None:
    """Under load it is proven; afterwards the database is as it was, also when it is healed twice."""
    service, operation, sound = OF_A_SERVICE[name]
    with seeded.connect(Role.OWNER) as connection:
        rows(connection, "ANALYZE")
    before = ask(seeded, sound, role=Role.SUPERUSER)
    with worked(wire(service, settings), operation):
        assert_runs(seeded, settings, name)
    assert ask(seeded, sound, role=Role.SUPERUSER) == before
    catalogue.find(name).heal(Scene.read_only(settings))
    assert ask(seeded, sound, role=Role.SUPERUSER) == before
