"""Which mode a command speaks to: what was asked for, else what runs, else Docker where an engine answers."""

import json
from collections.abc import Callable

import pytest

from lab.foundation.errors import LabError
from lab.stack import mode
from lab.stack.backend import Mode
from lab.stack.docker.compose import NoEngineError
from lab.stack.mode import OtherModeError
from lab.stack.up_options import UpOptions
from tests.fix_machine import Machine


def test_without_an_engine_the_mode_is_native_at_once(machine: Machine) -> None:
    """A docker program without an engine behind it is as good as none, and is asked once."""
    machine.has_no_engine()
    assert mode.decide(machine.settings).mode is Mode.NATIVE
    assert (machine.directory / "calls").read_text().splitlines() == ["version"]


def test_with_an_engine_the_mode_is_docker(machine: Machine) -> None:
    machine.has_engine()
    assert mode.decide(machine.settings).mode is Mode.DOCKER


def test_what_runs_decides(machine: Machine) -> None:
    """A native lab is found first, and then the engine is not even asked."""
    machine.has_engine()
    machine.runs_natively()
    assert mode.decide(machine.settings).mode is Mode.NATIVE
    assert not (machine.directory / "calls").exists()


def test_what_was_asked_for_decides_over_what_runs(machine: Machine) -> None:
    machine.runs_natively()
    machine.has_engine()
    assert mode.decide(machine.settings, Mode.DOCKER).mode is Mode.DOCKER
    assert mode.decide(machine.settings, Mode.NATIVE).mode is Mode.NATIVE


def test_docker_is_refused_where_it_is_not(machine: Machine) -> None:
    with pytest.raises(NoEngineError, match="up --native"):
        mode.decide(machine.settings, Mode.DOCKER)


def test_both_options_at_once_are_refused() -> None:
    with pytest.raises(LabError, match="mutually exclusive"):
        mode.requested(docker=True, native=True)


def test_up_beside_the_other_mode_names_both_ways_out(
    machine: Machine, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever runs, the message says how to stay with it and how to stop it."""
    machine.runs_containers()
    assert call("up", "--native") == 2
    reported = capsys.readouterr().err
    assert "runs in containers" in reported
    assert "./creditlab up --docker" in reported
    assert "./creditlab down --docker" in reported
    assert not machine.settings.lab_state_dir.exists()


def test_up_in_containers_beside_a_native_lab_is_refused(machine: Machine) -> None:
    machine.has_engine()
    machine.runs_natively()
    with pytest.raises(OtherModeError, match=r"down --native"):
        mode.require_alone(mode.backend(Mode.DOCKER, machine.settings), machine.settings)


def test_status_of_containers(
    machine: Machine, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The JSON says docker, and with the Agent's version where it sends what it collects."""
    machine.runs_containers()
    assert call("status", "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["mode"], status["ready"]) == ("docker", True)
    [agent] = [c for c in status["components"] if c["name"] == "datadog"]
    assert agent["version"] == (
        "1.2 (local mode: nothing leaves this machine; payloads go to console:8088)"
    )
    assert call("status") == 0
    assert "datadog: local mode: nothing leaves this machine" in capsys.readouterr().out


def test_logs_of_containers(
    machine: Machine, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    machine.runs_containers()
    assert call("logs", "risk") == 0
    assert capsys.readouterr().out == "risk-1  | started\n"


def test_commands_reach_the_ports_that_containers_are_published_at(machine: Machine) -> None:
    """`POSTGRES_PORT=7777 ./creditlab up` is followed by a plain `verify`."""
    machine.runs_containers(port=7777)
    found = mode.running_settings(machine.settings)
    assert (found.postgres_host, found.postgres_port) == ("127.0.0.1", 7777)
    assert found.risk_port == machine.settings.risk_port


def test_up_remembers_its_options_as_native_mode_does(
    machine: Machine, call: Callable[..., int]
) -> None:
    """A second `up` asks for the same containers, or Compose would make them anew."""
    machine.runs_containers()
    assert call("up", "--docker", "--scale", "0.1", "--load", "2") == 0
    assert call("up") == 0
    begun = [line for line in machine.calls() if "compose up" in line]
    assert [line.partition(" compose")[0] for line in begun] == ["SCALE=0.1 LOAD=2"] * 2


def test_services_that_are_no_longer_wanted_are_removed(
    machine: Machine, call: Callable[..., int]
) -> None:
    machine.runs_containers()
    assert call("up", "--services", "risk") == 0
    [begun] = [line for line in machine.calls() if "compose up" in line]
    assert begun.endswith("postgres seed risk datadog-agent")
    assert any(line.endswith("compose rm --stop --force proposals") for line in machine.calls())


def test_down_keeps_the_scale_of_the_data_and_wipe_forgets_it(
    machine: Machine, call: Callable[..., int]
) -> None:
    machine.runs_containers()
    assert call("up", "--scale", "0.1", "--load", "2") == 0
    assert call("down") == 0
    file = mode.backend(Mode.DOCKER, machine.settings).up_options_file
    known = UpOptions.read(file)
    assert known is not None
    assert known.left_by_down(machine.settings) == UpOptions(scale=0.1)
    assert call("down", "--wipe") == 0
    assert not file.exists()
    assert machine.calls()[-1].endswith("compose down --volumes")


def test_restart_stays_in_its_mode(machine: Machine, call: Callable[..., int]) -> None:
    machine.runs_containers()
    assert call("up", "--load", "2") == 0
    assert call("restart") == 0
    down, up = [line for line in machine.calls() if "down" in line or "compose up" in line][-2:]
    assert down.endswith("compose down")
    assert up.startswith("SCALE= LOAD=2 compose up")
