"""The native stack's parts, without a server."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from lab.foundation.lock import LockedError, held
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.foundation.readiness import NotReadyError, await_state
from lab.foundation.settings import LabSettings
from lab.stack.components import COMPONENTS, SERVICES, chosen, selection
from lab.stack.environment import of_settings
from lab.stack.native import records
from lab.stack.native.commands import COMMANDS, Launch
from lab.stack.native.examination import examine
from lab.stack.native.logs import Follower, tail
from lab.stack.native.records import Record
from lab.stack.native.supervision import configure
from lab.stack.ports import PortTakenError, require_free
from lab.stack.status import State
from lab.stack.up_options import UpOptions
from tests.fix_postgres import settings_for
from workload.services import SERVICES as WORKLOAD_SERVICES


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    base = settings_for(port=5432, database="creditdb")
    return base.model_copy(update={"lab_state_dir": tmp_path})


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        yield process
        process.kill()


def test_the_table_has_the_services_of_the_workload() -> None:
    """The names and ports of the services are stated twice, to start quickly; they agree."""
    assert tuple(WORKLOAD_SERVICES) == SERVICES
    defaults = LabSettings.model_fields
    for name, service in WORKLOAD_SERVICES.items():
        assert defaults[COMPONENTS[name].port].default == service.port(
            settings_for(port=1, database="x")
        )


def test_a_selection_keeps_what_every_lab_needs() -> None:
    """Leaving services out leaves the database and its observers."""
    assert [c.name for c in selection(("risk",))] == [
        "postgres",
        "risk",
        "postgres_exporter",
        "prometheus",
        "alertmanager",
        "datadog",
        "console",
    ]
    without = selection(None, alertmanager=False)
    assert without == tuple(c for c in COMPONENTS.values() if not c.optional)


def test_the_shop_runs_when_it_is_asked_for() -> None:
    """Beside all five or beside some; it stays until somebody says otherwise."""
    assert COMPONENTS["shop"] in selection(("risk",), shop=True)
    assert COMPONENTS["shop"] not in selection(None)
    assert chosen(None, shop=True) == (*SERVICES, "shop")
    assert chosen(("risk",), shop=False) == ("risk",)
    remembered = UpOptions(shop=True).amended(UpOptions(load=2.0))
    assert remembered.shop is True
    assert remembered.amended(UpOptions(shop=False)).shop is False


def test_a_component_gets_only_the_secrets_it_needs(settings: LabSettings) -> None:
    """A service knows its own role's password and no other; the command line holds none."""
    command = COMMANDS["risk"](Launch(settings=settings, services=SERVICES))
    secrets = {
        name.upper()
        for name, value in settings
        if isinstance(value, SecretStr) and name.upper() in command.environment
    }
    assert secrets == {"CREDIT_APP_PASSWORD"}
    assert command.environment["DD_SERVICE"] == "credit-risk"
    assert command.environment["DD_DBM_PROPAGATION_MODE"] == "full"
    assert settings.credit_app_password.get_secret_value() not in " ".join(command.argv)


def test_a_component_leaves_its_temporary_files_in_the_lab(settings: LabSettings) -> None:
    """What a tracer forgets to remove goes with the lab, not into the machine's /tmp."""
    command = COMMANDS["risk"](Launch(settings=settings, services=SERVICES))
    assert Path(command.environment["TMPDIR"]).is_relative_to(settings.lab_state_dir)
    assert Path(command.environment["TMPDIR"]).is_dir()


def test_settings_survive_the_way_through_the_environment(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What supervisord hands on is read back as the same settings, and unset ones stay unset."""
    changed = settings.model_copy(update={"workload_load": 2.5, "dd_trace_enabled": False})
    for name, value in of_settings(changed, LabSettings.model_fields).items():
        monkeypatch.setenv(name, value)
    assert LabSettings(_env_file=None) == changed


def test_supervisords_configuration_holds_no_secret_and_no_path(settings: LabSettings) -> None:
    """So no secret lies in a file, and a clone may be moved or have any name."""
    text = configure(COMPONENTS.values(), as_root=True)
    for _, value in settings:
        if isinstance(value, SecretStr):
            assert value.get_secret_value() not in text
    assert re.findall(r"(?<![\w.])/\S+", text) == ["/proc/self/cwd/supervisor.sock"]
    assert re.findall(r"stopsignal=(\w+)", text).count("INT") == 1


def test_memory_keeps_no_secret_and_gives_back_the_settings(
    settings: LabSettings, tmp_path: Path
) -> None:
    """A later call with another environment speaks to the lab that runs."""
    path = tmp_path / "state.json"
    started = settings.model_copy(update={"exporter_port": 19187, "workload_load": 3.0})
    UpOptions(services=("risk",), load=3.0).with_settings(started).write(path)
    assert "Passw0rd" not in path.read_text()
    memory = UpOptions.read(path)
    assert memory is not None
    running = memory.running(settings)
    assert (running.exporter_port, running.workload_load) == (19187, 3.0)
    assert running.lab_state_dir == tmp_path
    assert memory.differences(settings) == ["EXPORTER_PORT"]


def test_options_of_a_later_up_amend_those_before() -> None:
    """What a call does not give stays as it was."""
    amended = UpOptions(services=("risk",), scale=2.0).amended(UpOptions(load=3.0))
    assert (amended.services, amended.scale, amended.load) == (("risk",), 2.0, 3.0)


@pytest.mark.parametrize(
    "content",
    ["{", '{"services": ["rsik"]}', '{"settings": {"postgres_port": "x"}}', '{"load": -1}'],
)
def test_a_damaged_memory_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    """The message says which file it was, and what is forgotten; the lab starts without it."""
    path = tmp_path / "state.json"
    path.write_text(content)
    assert UpOptions.read(path) is None
    assert f"{path} is damaged" in caplog.text
    assert (tmp_path / "state.json.damaged").read_text() == content


def test_a_taken_port_names_its_holder_and_the_setting(settings: LabSettings) -> None:
    """The error has the port, the process that holds it, and the variable that changes it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        changed = settings.model_copy(update={"exporter_port": port})
        with pytest.raises(PortTakenError) as raised:
            require_free([COMPONENTS["postgres_exporter"]], changed)
    reported = str(raised.value)
    assert f"Port {port}, which postgres_exporter needs, is in use by" in reported
    assert f"(process {os.getpid()}, " in reported
    assert "EXPORTER_PORT" in reported
    require_free([COMPONENTS["postgres_exporter"]], changed)


def test_a_port_given_twice_is_found_before_anything_starts(settings: LabSettings) -> None:
    """Two components with one port would fight; both variables are named."""
    changed = settings.model_copy(update={"risk_port": settings.proposals_port})
    with pytest.raises(PortTakenError, match=r"PROPOSALS_PORT, RISK_PORT"):
        require_free([COMPONENTS["proposals"], COMPONENTS["risk"]], changed)


def test_a_second_holder_of_the_lock_learns_who_has_it(tmp_path: Path) -> None:
    """The message names the process; when the first one ends, the lock is free."""
    with (
        held(tmp_path / "lock"),
        pytest.raises(LockedError, match=f"process {os.getpid()}"),
        held(tmp_path / "lock"),
    ):
        pass
    with held(tmp_path / "lock"):
        pass


def test_a_timeout_says_what_was_awaited_and_what_was_seen() -> None:
    """The message has the state, the deadline and the last sight."""
    with pytest.raises(NotReadyError, match=r"Waited 0.2 s until it rains; last seen: sunshine"):
        await_state("it rains", lambda: "sunshine", within_s=0.2)


def test_probes_are_as_far_apart_as_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that starts a process may be called less often than the usual one."""
    states, pauses = iter(["rain", "clouds", None]), list[float]()
    monkeypatch.setattr("lab.foundation.readiness.time.sleep", pauses.append)
    await_state("the sun shines", lambda: next(states), within_s=60, every_s=2.5)
    assert pauses == [2.5, 2.5]


def test_a_record_finds_its_process_and_no_other(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """A process id that was given to somebody else is not ours any more."""
    created = psutil.Process(sleeper.pid).create_time()
    record = Record(component="risk", pid=sleeper.pid, created=created, version="1", address="x")
    record.write(tmp_path)
    [(found, process)] = records.living(tmp_path)
    assert (found, process.pid) == (record, sleeper.pid)
    Record(component="risk", pid=sleeper.pid, created=created - 60, version="1", address="x").write(
        tmp_path
    )
    assert list(records.living(tmp_path)) == []


def test_what_does_not_go_is_killed(sleeper: subprocess.Popen[bytes]) -> None:
    """A process that does not end in time is killed."""
    assert records.wait_or_kill({psutil.Process(sleeper.pid)}, within_s=0.1) == []
    assert not psutil.pid_exists(sleeper.pid)


def test_an_orphan_is_shown_as_such(
    settings: LabSettings, sleeper: subprocess.Popen[bytes]
) -> None:
    """A component whose supervisord was killed is neither running nor stopped."""
    paths = Paths.of(settings)
    paths.run.mkdir()
    Record(
        component="risk",
        pid=sleeper.pid,
        created=psutil.Process(sleeper.pid).create_time(),
        version="9",
        address="x",
    ).write(paths.run)
    status = examine(settings)
    states = {component.name: component.state for component in status.components}
    assert (states["risk"], states["postgres"]) == (State.ORPHANED, State.STOPPED)
    assert status.outcome is Outcome.FAILED
    document = json.loads(json.dumps(status.to_json()))
    assert set(document) == {
        *("mode", "ready", "result", "why_unknown", "components", "intake", "collector_failures"),
    }
    assert set(document["components"][0]) == {"name", "state", "version", "address", "pid"}


def test_a_follower_reads_across_rotation(settings: LabSettings) -> None:
    """Lines are shown once they are complete, also after the file was replaced or cut."""
    paths = Paths.of(settings)
    paths.logs.mkdir()
    log = paths.logs / "risk.log"
    log.write_text("before\n")
    with closing(Follower("risk", paths)) as follower:
        assert follower.new_lines() == []
        with log.open("a") as file:
            file.write("one\ntw")
        assert follower.new_lines() == ["one"]
        with log.open("a") as file:
            file.write("o\n")
        log.rename(paths.logs / "risk.log.1")
        log.write_text("three\n")
        assert follower.new_lines() == ["two", "three"]
        log.write_text("4\n")
        assert follower.new_lines() == ["4"]
    assert tail(log, 5) == ["4"]
