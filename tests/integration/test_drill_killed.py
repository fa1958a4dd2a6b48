"""A drill whose runner is killed between any two steps, with and without a loss of power, on PostgreSQL."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lab.clients.database import Role
from lab.drills.faults.missing_index import DRILL
from lab.drills.healing import heal_abandoned
from lab.drills.journal import Journal, Step
from lab.drills.running import DrillFiles, Running
from lab.drills.stopping import stop
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.up_options import public, secrets
from tests.fix_postgres import Database
from tests.fix_reporter import RecordedReporter
from tests.fix_workload import ask

DEADLINE_SECONDS = 280
INDEX = "SELECT count(*) FROM pg_indexes WHERE indexname = 'credit_proposals_customer'"
DROP = "DROP INDEX credit_proposals_customer"


def exposed(settings: LabSettings) -> str:
    """Return settings as JSON with their secrets, for a process that is given them on standard input."""
    hidden = {n: s.get_secret_value() for n, s in secrets(settings).items()}
    return json.dumps({**public(settings), **hidden})


def test_the_index_comes_back_after_a_kill_at_any_step(database: Database, tmp_path: Path) -> None:
    """Before each system call that writes and each statement: the next command makes the index again."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.standins.killed_runner", str(tmp_path)],
        input=exposed(database.settings),
        # Without `docker`, which each run would start twice to report to a console in a container.
        env={**os.environ, "PATH": str(tmp_path / "no programs")},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert [kill for kill in kills if not kill["healed"]] == []
    for power_loss in (False, True):
        gone = [kill["gone"] for kill in kills if kill["power_loss"] is power_loss]
        # The kills that matter are those between the fault and its heal; there are several.
        assert len(gone) > 30
        assert sum(gone) > 5


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> LabSettings:
    """Of a lab whose index is gone, by a drill that the journal knows."""
    found = database.settings.model_copy(update={"lab_state_dir": tmp_path})
    Journal(DrillFiles(Paths.of(found)).journal).write(
        "abc", DRILL.name, Step.INJECT, intensity=1.0
    )
    ask(database, DROP, role=Role.OWNER)
    return found


@pytest.mark.parametrize("content", [b"", b"{", b"\x00" * 99, b"[]", b'{"run": 5}'])
@pytest.mark.parametrize("command", [heal_abandoned, stop])
def test_a_damaged_memo_is_set_aside_and_the_journal_knows_what_to_heal(
    database: Database, settings: LabSettings, content: bytes, command: object
) -> None:
    """The fault is taken away though its memo is lost; the next command finds nothing more to do."""
    place = DrillFiles(Paths.of(settings))
    damaged = settings.lab_state_dir / "drills" / "running.json"
    damaged.write_bytes(content)
    command(settings, RecordedReporter())  # type: ignore[operator]
    assert ask(database, INDEX) == [(1,)]
    assert place.read() is None
    assert damaged.with_name("running.json.damaged").read_bytes() == content
    reported = RecordedReporter()
    heal_abandoned(settings, reported)
    assert reported.ends == []


def test_a_recycled_pid_is_neither_signalled_nor_taken_for_the_runner(
    database: Database, settings: LabSettings
) -> None:
    """A process that has the id of a runner that died lives on, and the drill is healed."""
    place = DrillFiles(Paths.of(settings))
    with subprocess.Popen(["/bin/sleep", "600"]) as bystander:
        try:
            running = Running(
                run="abc",
                drill=DRILL.name,
                intensity=1.0,
                pid=bystander.pid,
                created=psutil.Process(bystander.pid).create_time() - 3600,
                began_ns=1,
            )
            place.write(running)
            with place.locked():  # a further command is at work, which keeps the lock
                assert running.runner() is None
            ended = stop(settings, RecordedReporter())
            assert ended == running
            assert bystander.poll() is None
        finally:
            bystander.kill()
    assert ask(database, INDEX) == [(1,)]
    assert place.read() is None


def test_a_runner_that_dies_of_the_signal_is_healed_by_who_sent_it(
    database: Database, settings: LabSettings
) -> None:
    """It ended without having healed: `drill stop` does not wait for its deadline, and heals."""
    place = DrillFiles(Paths.of(settings))
    with subprocess.Popen(["/bin/sleep", "600"]) as runner:
        created = psutil.Process(runner.pid).create_time()
        place.write(
            Running(
                run="abc",
                drill=DRILL.name,
                intensity=1.0,
                pid=runner.pid,
                created=created,
                began_ns=1,
            )
        )
        stop(settings, RecordedReporter())
        assert runner.wait(60) != 0
    assert ask(database, INDEX) == [(1,)]
