"""Calls of the docker program, which a script of the test plays: its arguments, the meaning of its output."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import ROOT, LabSettings
from lab.stack.docker import compose
from lab.stack.docker.backend import DockerBackend, explained
from lab.stack.docker.compose import ComposeError, Container, NoEngineError, Usage
from lab.stack.up_options import UpOptions
from tests.fix_machine import Machine
from tests.fix_reporter import RecordedReporter

Docker = Callable[[str], Path]
ID = "0123456789abcdef"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """Writes the docker program; what it is called with is in the returned file."""

    def write(script: str) -> Path:
        calls = tmp_path / "calls"
        program = tmp_path / "docker"
        program.write_text(f'#!/bin/sh\necho "$PWD: $*" >> {calls}\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return calls

    return write


def no_seed(*_: object) -> NoReturn:
    pytest.fail("the containers seed")


def test_a_published_port_is_one_that_the_machine_has() -> None:
    """Compose lists port 0 for a port that is only exposed."""
    publishers = [
        {"URL": "", "PublishedPort": 0}, {"URL": "0.0.0.0", "PublishedPort": 1},  # noqa: S104
        {"URL": "::", "PublishedPort": 8080},
    ]  # fmt: skip
    row = {"Service": "s", "State": "running", "Health": "", "ExitCode": 3, "Image": "i:1"}
    found = Container.from_json({**row, "Publishers": publishers})
    assert [(each.address, each.port) for each in found.published] == [("0.0.0.0", 1), ("::", 8080)]  # noqa: S104
    assert Container.from_json({**row, "Publishers": None}).published == ()


@pytest.mark.parametrize(
    ("memory", "size"),
    [("0B / 1GiB", 0), ("512B / 1GiB", 512), ("1.5KiB / 1GiB", 1536), ("2MiB / 1GiB", 2_097_152),
     ("1GiB / 2GiB", 1_073_741_824), ("1TiB / 2TiB", 1_099_511_627_776)],
)  # fmt: skip
def test_memory_is_in_bytes(memory: str, size: float) -> None:
    assert Usage.from_json({"CPUPerc": "0.50%", "MemUsage": memory}) == Usage(
        cpu_percent=0.5, memory_bytes=size
    )


@pytest.mark.parametrize(("cpu", "memory"), [("--", "1MiB / 1GiB"), ("1%", "--"), ("1", "1MiB")])
def test_statistics_of_another_format_are_refused(cpu: str, memory: str) -> None:
    with pytest.raises(ComposeError, match=r"expected were 1\.5%, 20MiB / 1GiB"):
        Usage.from_json({"CPUPerc": cpu, "MemUsage": memory})


@pytest.mark.parametrize(
    ("version", "accepted"),
    [("2.20.0", True), ("v2.20", True), ("2.21.1", True), ("3.0.0", True), ("2.19.9", False),
     ("1.29.2", False), ("", False)],
)  # fmt: skip
def test_compose_is_new_enough_from_2_20_on(
    docker: Docker, version: str, *, accepted: bool
) -> None:
    calls = docker(f'[ "$1" = version ] || echo "{version}"')
    if accepted:
        compose.require_engine()
    else:
        with pytest.raises(NoEngineError, match=rf"2\.20 or newer; found: {version or 'none'}\."):
            compose.require_engine()
    assert calls.read_text().splitlines() == [
        f"{ROOT}: version", f"{ROOT}: compose version --short"
    ]  # fmt: skip


def test_an_engine_without_a_reason_is_reported_as_such(docker: Docker) -> None:
    docker("exit 1")
    with pytest.raises(NoEngineError, match="does not answer: no reason given\nStart Docker"):
        compose.require_engine()


def test_environments_are_those_of_compose_and_of_the_container(docker: Docker) -> None:
    """A variable may contain `=`, and may have no value at all."""
    resolved = json.dumps(
        {"services": {"a": {"environment": {"X": None}}, "b": {"environment": {}}}}
    )
    docker(
        'case "$*" in\n'
        f"    *config*) echo '{resolved}' ;;\n"
        "    *quiet\\ a) echo c0 ;;\n"
        '    *inspect*c0) echo \'["A=b=c", "D", "E="]\' ;;\n'
        "esac"
    )
    assert compose.environment_of("a") == {"X": None}
    assert compose.environment_within("a") == {"A": "b=c", "D": "", "E": ""}
    assert compose.environment_within("b") == {}


@pytest.mark.parametrize("failing", ["ps", "inspect", "stats"])
def test_a_failure_has_dockers_own_message(docker: Docker, failing: str) -> None:
    row = json.dumps({"ID": ID, "Service": "risk"})
    docker(
        f'case "$*" in *{failing}*) echo " no such thing " >&2; exit 1 ;; *ps*) echo \'{row}\' ;; esac'
    )
    call = compose.usage if failing == "stats" else partial(compose.environment_within, "risk")
    with pytest.raises(ComposeError) as raised:
        call()
    assert str(raised.value) == "no such thing"


def test_statistics_are_assigned_to_services_by_the_short_id(docker: Docker) -> None:
    rows = [json.dumps({"ID": f"{n}{ID}", "Service": f"service-{n}"}) for n in (1, 2)]
    used = [
        json.dumps({"ID": f"{n}{ID}"[:12], "CPUPerc": f"{n}.50%", "MemUsage": "1MiB / 1GiB"})
        for n in (2, 1)
    ]
    calls = docker(
        f"case \"$*\" in *stats*) printf '%s\\n' '{used[0]}' '{used[1]}' ;;"
        f" *) printf '%s\\n' '{rows[0]}' '{rows[1]}' ;; esac"
    )
    found = compose.usage()
    assert {name: usage.cpu_percent for name, usage in found.items()} == {
        "service-1": 1.5, "service-2": 2.5
    }  # fmt: skip
    assert calls.read_text().splitlines()[1].endswith("{{json .}} 10123456789a 20123456789a")
    [first, _] = DockerBackend(settings=LabSettings(_env_file=None)).usage()
    assert (first.component, first.program, first.period) == ("service_2", "service_2", "now")


def test_a_long_command_reports_its_lines_and_fails_with_the_last_three(docker: Docker) -> None:
    docker('printf "1\\n2\\n 3 \\n"; echo "4 $SEED_SCALE" >&2; exit "$STATUS"')
    said: list[str] = []
    compose.follow("up", say=said.append, variables={"SEED_SCALE": "0.5", "STATUS": "0"})
    assert said == ["1", "2", "3", "4 0.5"]
    with pytest.raises(ComposeError) as raised:
        compose.follow("up", say=said.append, variables={"SEED_SCALE": "", "STATUS": "7"})
    assert str(raised.value) == "2\n3\n4"


def test_lines_are_without_compose_s_control_sequence(docker: Docker) -> None:
    docker(r"printf '\033[2Kone\n  two\n'")
    assert list(compose.lines("logs")) == ["one", "  two"]


def test_the_logs_of_postgres_are_its_newest_file(docker: Docker) -> None:
    """The server logs to files; all other containers to their output."""
    calls = docker("echo line")
    backend = DockerBackend(settings=LabSettings(_env_file=None))
    for component, follow in (("postgres", True), ("postgres", False), (None, False), (None, True)):
        [line] = backend.logs(component, follow=follow, tail=7)
        assert (line.component, line.text) == (None, "line")
    assert [call.partition(": ")[2] for call in calls.read_text().splitlines()] == [
        "compose exec -T postgres sh -c tail -n 7 -F $(ls -t /var/run/postgresql/*.log | head -n 1)",
        "compose exec -T postgres sh -c tail -n 7  $(ls -t /var/run/postgresql/*.log | head -n 1)",
        "compose logs --no-color --tail 7",
        "compose logs --no-color --tail 7 --follow",
    ]


def test_components_are_started_and_stopped_by_the_containers_name(docker: Docker) -> None:
    calls = docker("")
    backend = DockerBackend(settings=LabSettings(_env_file=None))
    backend.start_component("postgres_exporter")
    backend.stop_component("datadog")
    assert [call.partition(": ")[2] for call in calls.read_text().splitlines()] == [
        "compose start postgres-exporter", "compose stop datadog-agent"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "accepted"),
    [
        ("", True),
        ("0123456789abcdef" * 2, True),
        ("0123456789ABCDEF" * 2, False),
        ("0" * 33, False),
    ],
)
def test_a_key_is_32_hexadecimal_digits_in_lower_case(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, key: str, *, accepted: bool
) -> None:
    machine.has_engine()
    monkeypatch.setattr(compose, "environment_of", lambda _: {"DD_API_KEY": key})
    backend = DockerBackend(settings=machine.settings)
    if accepted:
        assert backend.up(UpOptions(), reporter=RecordedReporter(), seed=no_seed).started
        return
    with pytest.raises(LabError, match=rf"it has {len(key)} characters.*\n.*not Application Keys"):
        backend.up(UpOptions(), reporter=RecordedReporter(), seed=no_seed)


@pytest.mark.parametrize(("ran", "removed"), [(False, True), (True, False)])
def test_a_failed_up_removes_what_it_started_and_nothing_else(
    machine: Machine, *, ran: bool, removed: bool
) -> None:
    """The options of the last `up` stay; the start may take twice the limit of native mode."""
    if ran:
        machine.runs_containers()
    else:
        machine.has_engine()
    stub = machine.directory / "docker"
    stub.write_text(stub.read_text() + 'case "$*" in "compose up "*) echo broken; exit 1 ;; esac\n')
    settings = machine.settings.model_copy(update={"startup_timeout_s": 90})
    backend = DockerBackend(settings=settings)
    with pytest.raises(ComposeError, match="broken"):
        backend.up(UpOptions(load=2.0), reporter=RecordedReporter(), seed=no_seed)
    calls = machine.calls()
    [begun] = [line for line in calls if "compose up" in line]
    assert begun.startswith("SCALE= LOAD=2 compose up --detach --wait --wait-timeout 180 ")
    assert any(line.endswith("compose down") for line in calls) is removed
    assert UpOptions.read(Paths.of(settings).docker_up_options) is None


@pytest.mark.parametrize("state", ["running", "restarting", "paused", "exited", "created"])
def test_the_lab_runs_when_a_container_does(machine: Machine, state: str) -> None:
    machine.runs_containers()
    ps = machine.directory / "ps"
    ps.write_text(ps.read_text().replace('"running"', f'"{state}"'))
    runs = DockerBackend(settings=machine.settings).runs()
    assert runs is (state in {"running", "restarting", "paused"})


def test_a_port_of_no_setting_is_grafanas(machine: Machine) -> None:
    """Any other error of Compose is shown as it is, when every container works."""
    taken = ComposeError("Bind for 127.0.0.1:3000 failed: port is already allocated")
    assert "Port 3000 is in use on this machine: set another with GRAFANA_PORT." in str(
        explained(taken, machine.settings)
    )
    machine.runs_containers()
    other = ComposeError("no space left on device")
    assert explained(other, machine.settings) is other


def test_tokens_and_addresses_are_those_of_the_containers(machine: Machine) -> None:
    """A page is linked at its published address; without a token in the container there is none."""
    machine.runs_containers(prometheus=9191, grafana=3101, proposals=8101)
    found = DockerBackend(settings=machine.settings).running_settings()
    assert (found.prometheus_port, found.proposals_port) == (9191, 8101)
    assert found.prometheus_ui_url == "http://127.0.0.1:9191"
    assert found.grafana_url == "http://127.0.0.1:3101"
    assert (found.lab_console_token, found.lab_control_token) == (None, None)
    machine.has_console(8188, "a-token")
    found = DockerBackend(settings=machine.settings).running_settings()
    assert found.lab_console_token
    assert found.lab_console_token.get_secret_value() == "a-token"
    assert found.bind_address == "127.0.0.1"
