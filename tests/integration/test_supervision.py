"""A real supervisord over a real Prometheus and exporter: they return, they stop, they are found again."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest

from lab.foundation.paths import Paths
from lab.foundation.readiness import NotReadyError, await_state
from lab.foundation.settings import LabSettings
from lab.stack.components import COMPONENTS
from lab.stack.environment import inherited, of_settings
from lab.stack.native import records, stopping
from lab.stack.native.examination import examine
from lab.stack.native.supervision import Supervisor
from lab.stack.status import State
from lab.stack.up_options import UpOptions
from tests.fix_postgres import free_port, settings_for
from tests.fix_reporter import RecordedReporter

PROMETHEUS = COMPONENTS["prometheus"]
EXPORTER = COMPONENTS["postgres_exporter"]
START_SECONDS = 150
# A socket's address takes 107 bytes; this directory's name alone is nearly that long, and has a space.
LONG_NAME = "état " + "of a long name " * 6


@dataclass(frozen=True, kw_only=True)
class Supervised:
    """A supervisord that runs."""

    supervisor: Supervisor
    settings: LabSettings
    paths: Paths

    def start_prometheus(self) -> int:
        """Start Prometheus, await it, and return its process id."""
        self.supervisor.start_component(PROMETHEUS.name)
        await_state(
            PROMETHEUS.proof, partial(PROMETHEUS.probe, self.settings), within_s=START_SECONDS
        )
        return self.pid()

    def pid(self) -> int:
        """Return the process id that Prometheus recorded last."""
        record = records.Record.read(self.paths.run, PROMETHEUS.name)
        assert record
        return record.pid

    def another_than(self, pid: int) -> str | None:
        """Probe: None when a further Prometheus answers."""
        return "the old process id" if self.pid() == pid else PROMETHEUS.probe(self.settings)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    state = tmp_path / LONG_NAME.strip()
    settings = settings_for(port=free_port(), database="creditdb").model_copy(
        update={
            "lab_state_dir": state,
            "prometheus_port": free_port(),
            "exporter_port": free_port(),
            "alertmanager_port": free_port(),
        }
    )
    paths = Paths.of(settings)
    paths.logs.mkdir(parents=True)
    paths.run.mkdir()
    UpOptions().with_settings(settings).write(paths.up_options)
    supervisor = Supervisor(paths)
    variables = {**inherited(), **of_settings(settings, LabSettings.model_fields)}
    supervisor.start(COMPONENTS.values(), variables)
    try:
        yield Supervised(supervisor=supervisor, settings=settings, paths=paths)
    finally:
        stopping.stop(paths, supervisor, RecordedReporter())
        shutil.rmtree(state)


def test_what_is_killed_returns_by_itself(supervised: Supervised) -> None:
    """After kill -9 a component is started again, with the settings of the `up` that started it."""
    killed = supervised.start_prometheus()
    os.kill(killed, signal.SIGKILL)
    await_state(
        "another prometheus is ready",
        partial(supervised.another_than, killed),
        within_s=START_SECONDS,
    )
    [state] = [c.state for c in examine(supervised.settings).components if c.name == "prometheus"]
    assert state is State.RUNNING


def test_only_its_owner_may_speak_to_supervisord(supervised: Supervised) -> None:
    """Whoever may write to the socket may start and stop the lab."""
    socket = supervised.paths.state / "supervisor.sock"
    assert socket.stat().st_mode & 0o077 == 0


def test_stopping_leaves_no_process_and_no_trace(supervised: Supervised) -> None:
    """supervisord and all that descends from it have ended; records and socket are gone."""
    supervised.start_prometheus()
    family = records.descendants(psutil.Process(supervised.supervisor.pid()))
    assert len(family) == 2
    assert stopping.stop(supervised.paths, supervised.supervisor, RecordedReporter())
    assert not any(process.is_running() for process in family)
    left = {path.name for path in supervised.paths.state.iterdir()}
    assert left == {"logs", "prometheus", "state.json"}
    assert not stopping.stop(supervised.paths, supervised.supervisor, RecordedReporter())


def test_what_a_killed_supervisord_left_behind_is_ended(supervised: Supervised) -> None:
    """The record of a component outlives its supervisor; by it the orphan is found and stopped."""
    orphan = supervised.start_prometheus()
    os.kill(supervised.supervisor.pid(), signal.SIGKILL)
    await_state(
        "supervisord is gone",
        lambda: "it answers" if supervised.supervisor.answers() else None,
        within_s=150,
    )
    assert psutil.pid_exists(orphan)
    assert stopping.stop(supervised.paths, supervised.supervisor, RecordedReporter())
    assert not psutil.pid_exists(orphan)


def test_a_frozen_supervisord_does_not_hold_up_its_stop(supervised: Supervised) -> None:
    """It does not answer within its time limit; it and what it runs are ended all the same."""
    supervised.start_prometheus()
    family = records.descendants(psutil.Process(supervised.supervisor.pid()))
    os.kill(supervised.supervisor.pid(), signal.SIGSTOP)
    assert not supervised.supervisor.answers()
    assert stopping.stop(supervised.paths, supervised.supervisor, RecordedReporter())
    assert not any(process.is_running() for process in family)


def test_what_does_not_obey_is_killed(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A component that outlives its deadlines does not make `down` fail: all of it is killed."""
    supervised.start_prometheus()
    family = records.descendants(psutil.Process(supervised.supervisor.pid()))

    def refuse(*_: object) -> None:
        raise NotReadyError("Waited 35 s until prometheus has stopped; last seen: it still runs")

    monkeypatch.setattr(Supervisor, "stop_components", refuse)
    reporter = RecordedReporter()
    assert stopping.stop(supervised.paths, supervised.supervisor, reporter)
    assert not any(process.is_running() for process in family)
    monkeypatch.undo()


def test_an_exporter_without_postgres_is_not_ready(supervised: Supervised) -> None:
    """An exporter that answers, but reaches no PostgreSQL, does not count as running."""
    supervised.supervisor.start_component(EXPORTER.name)
    seen: list[str] = []

    def answered() -> str | None:
        seen.append(EXPORTER.probe(supervised.settings) or "ready")
        return None if "pg_up" in seen[-1] else seen[-1]

    await_state("the exporter answers", answered, within_s=START_SECONDS)
    assert seen[-1] == "/metrics: pg_up is not 1"
    states = {c.name: c.state for c in examine(supervised.settings).components}
    assert states["postgres_exporter"] is State.STARTING


def test_what_ends_at_once_is_called_failing(supervised: Supervised) -> None:
    """A component whose port is taken is neither running nor stopped, and can be stopped."""
    with socket.create_server(("127.0.0.1", supervised.settings.prometheus_port)):
        supervised.supervisor.start_component(PROMETHEUS.name)
        await_state(
            "prometheus fails",
            lambda: (
                None
                if supervised.supervisor.processes()[PROMETHEUS.name].keeps_failing
                else "it does not"
            ),
            within_s=START_SECONDS,
        )
        # While the port is taken: with a free one the next attempt succeeds.
        states = {c.name: c.state for c in examine(supervised.settings).components}
    assert states["prometheus"] is State.FAILING
    log = (supervised.paths.logs / "prometheus.log").read_text()
    assert "address already in use" in log
    assert "Traceback" not in log
    supervised.supervisor.stop_components([PROMETHEUS])
    assert not supervised.supervisor.processes()[PROMETHEUS.name].is_up


def test_a_launch_that_fails_gives_its_reason_in_the_log(supervised: Supervised) -> None:
    """The child that supervisord forks exits with the reason why it cannot exec the component."""
    log = supervised.paths.log(EXPORTER.name)
    run, kept = supervised.paths.run, supervised.paths.state / "kept"
    run.rename(kept)
    # No record can be written there.
    run.symlink_to("/proc")
    supervised.supervisor.start_component(EXPORTER.name)

    def reason() -> str | None:
        text = log.read_text() if log.exists() else ""
        return None if f"{EXPORTER.name} was not launched: " in text else text or "nothing"

    try:
        await_state("the reason is in the log", reason, within_s=START_SECONDS)
    finally:
        run.unlink()
        kept.rename(run)
