"""The lab in containers, without an engine: what Compose's answers mean, and what its complaints become."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.foundation.errors import LabError
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.foundation.settings import ROOT, LabSettings
from lab.stack import components
from lab.stack.docker import compose
from lab.stack.docker.backend import DockerBackend, explained
from lab.stack.docker.compose import ComposeError, Container, EngineTimeoutError, NoEngineError
from lab.stack.docker.examination import datadog_mode, examine
from lab.stack.ports import PortTakenError
from lab.stack.status import State
from lab.stack.up_options import UpOptions
from tests.fix_reporter import RecordedReporter

SERVICES = ["postgres", "seed", "proposals", "risk", "datadog-agent", "postgres-exporter"]


def up(settings: LabSettings, options: UpOptions) -> None:
    """Start the lab in containers."""
    backend = DockerBackend(settings=settings)
    backend.up(
        options, reporter=RecordedReporter(), seed=lambda *_: pytest.fail("the containers seed")
    )


def row(service: str, **facts: Any) -> Container:
    """Return a container as `docker compose ps --format json` tells it."""
    publishers = [{"URL": "127.0.0.1", "TargetPort": 1, "PublishedPort": p} for p in (0, 5432)]
    reported: Mapping[str, Any] = {
        "Service": service,
        "State": "running",
        "Health": "healthy",
        "ExitCode": 0,
        "Image": f"registry.example:5000/{service}:1.2",
        "Publishers": publishers,
        **facts,
    }
    return Container.from_json(reported)


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[Container]:
    """What Compose would tell: a list that a test fills."""
    containers: list[Container] = []
    monkeypatch.setattr(compose, "services", lambda: SERVICES)
    monkeypatch.setattr(compose, "containers", lambda: {c.service: c for c in containers})
    monkeypatch.setattr(compose, "environment_within", lambda _: {"DD_API_KEY": ""})
    return containers


def test_status_names_components_as_native_mode_does(reported: list[Container]) -> None:
    """The seed is no component; a service that was left out is off, and in nobody's way."""
    reported += [row(s) for s in SERVICES if s not in ("seed", "risk")]
    reported.append(row("seed", State="exited", Health="", Publishers=None))
    found = examine()
    assert (found.mode, found.outcome) == ("docker", Outcome.OK)
    assert [c.name for c in found.components] == [
        *("postgres", "proposals", "risk", "datadog", "postgres_exporter"),
    ]
    assert [c.state for c in found.components if c.name == "risk"] == [State.OFF]
    assert found.components[0].address == "127.0.0.1:5432"
    assert found.components[1].address == "http://127.0.0.1:5432"
    assert found.components[0].version == "1.2"
    assert (found.components[3].version or "").startswith("1.2 (local mode: nothing leaves")


def test_nothing_there_is_stopped_and_not_ready(reported: list[Container]) -> None:
    found = examine()
    assert reported == []
    assert found.outcome is Outcome.FAILED
    assert {c.state for c in found.components} == {State.STOPPED}


@pytest.mark.parametrize(
    ("state", "health", "expected"),
    [
        ("running", "healthy", State.RUNNING),
        ("running", "", State.RUNNING),
        ("running", "starting", State.STARTING),
        ("running", "unhealthy", State.FAILING),
        ("restarting", "", State.FAILING),
        ("exited", "", State.STOPPED),
    ],
)
def test_a_containers_state_is_told_in_the_labs_words(
    reported: list[Container], state: str, health: str, expected: State
) -> None:
    reported.append(row("postgres", State=state, Health=health))
    assert examine().components[0].state == expected


@pytest.mark.parametrize(
    "complaint",
    [
        "Bind for 127.0.0.1:9091 failed: port is already allocated",
        "listen tcp4 127.0.0.1:9091: bind: address already in use",
        "failed to bind host port for 127.0.0.1:9091:172.18.0.2:9090/tcp: address already in use",
    ],
)
def test_a_taken_port_names_its_setting(reported: list[Container], complaint: str) -> None:
    del reported
    problem = explained(ComposeError(complaint), LabSettings(_env_file=None))
    assert isinstance(problem, PortTakenError)
    assert "set another with PROMETHEUS_PORT" in str(problem)


def test_a_container_that_does_not_work_speaks_for_itself(
    reported: list[Container], monkeypatch: pytest.MonkeyPatch
) -> None:
    reported += [row("postgres"), row("seed", State="exited", Health="", ExitCode=2)]
    monkeypatch.setattr(compose, "lines", lambda *_: iter(["PostgreSQL refuses the password"]))
    problem = explained(ComposeError("exit 2"), LabSettings(_env_file=None))
    assert str(problem) == (
        "The container seed does not work. Its last lines:\nPostgreSQL refuses the password"
    )


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({"DD_API_KEY": ""}, "local mode: nothing leaves this machine; payloads go to no intake"),
        ({"DD_API_KEY": "", "LAB_INTAKE": "console:8088"}, "payloads go to console:8088"),
        ({"DD_API_KEY": "0" * 31 + "f", "DD_SITE": "datadoghq.eu"}, "sending to datadoghq.eu"),
    ],
)
def test_where_the_agent_sends_is_told(environment: dict[str, str], mode: str) -> None:
    assert mode in datadog_mode(environment)


def test_a_malformed_key_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "environment_of", lambda _: {"DD_API_KEY": "not-a-key"})
    monkeypatch.setattr(compose, "require_engine", lambda: None)
    with pytest.raises(LabError, match=r"it has 9 characters") as raised:
        up(LabSettings(_env_file=None), UpOptions())
    assert "not-a-key" not in str(raised.value)


def test_an_unknown_component_is_answered_with_those_there_are(reported: list[Container]) -> None:
    del reported
    with pytest.raises(LabError, match=r"did you mean datadog\?"):
        DockerBackend(settings=LabSettings(_env_file=None)).logs("datadoc", follow=False, tail=1)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "no docker on the PATH"),
        ("echo 'permission denied while trying to connect' >&2; exit 1", "usermod -aG docker"),
        ("echo 'Cannot connect to the Docker daemon' >&2; exit 1", "Start Docker"),
        ('[ "$1" = version ] || { echo "unknown command" >&2; exit 1; }', "found: none"),
        ('[ "$1" = version ] || echo 2.19.1', "2.20 or newer; found: 2.19.1"),
    ],
    ids=["none", "permission", "stopped", "no-plugin", "old"],
)
def test_what_is_missing_of_docker_is_said_with_the_way_out(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, script: str | None, message: str
) -> None:
    """A stub of the docker program answers as the real one does in that state."""
    if script is not None:
        stub = tmp_path / "docker"
        stub.write_text(f"#!/bin/sh\n{script}\n")
        stub.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoEngineError, match=message) as raised:
        compose.require_engine()
    assert "up --native" in str(raised.value)
    assert not DockerBackend(
        settings=LabSettings(_env_file=None, lab_state_dir=tmp_path)
    ).available()


def test_an_engine_that_hangs_is_unknown_when_the_lab_was_started_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken as absent, the lab in it would be read with the settings of native mode."""
    stub = tmp_path / "docker"
    stub.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compose, "ANSWERS_WITHIN_S", 0.1)
    monkeypatch.setattr(compose, "RUNNING_ANSWERS_WITHIN_S", 0.2)
    settings = LabSettings(_env_file=None, lab_state_dir=tmp_path)
    assert not DockerBackend(settings=settings).available()
    UpOptions().write(Paths.of(settings).docker_up_options)
    with pytest.raises(EngineTimeoutError, match=r"within 0\.2 s"):
        DockerBackend(settings=settings).available()


def scraped(directory: Path) -> set[str]:
    """Return the addresses that Prometheus is configured to scrape there."""
    groups = [group for file in directory.glob("*.json") for group in json.loads(file.read_text())]
    return {target for group in groups for target in group["targets"]}


def test_prometheus_scrapes_the_services_that_were_asked_for(
    reported: list[Container], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With all five it reads the project's own file, so that Compose by hand finds nothing changed."""
    del reported
    settings = LabSettings(_env_file=None, lab_lab_state_dir=tmp_path)
    given: list[Mapping[str, str]] = []
    monkeypatch.setattr(compose, "require_engine", lambda: None)
    monkeypatch.setattr(compose, "environment_of", lambda _: {})
    monkeypatch.setattr(compose, "follow", lambda *_, variables, **__: given.append(variables))
    up(settings, UpOptions(services=("risk", "proposals")))
    directory = Path(given[0]["PROMETHEUS_TARGETS"])
    others = {"postgres-exporter:9187", "localhost:9090", "console:8088", "alertmanager:9093"}
    assert scraped(directory) == {"proposals:8001", "risk:8005"} | others
    assert scraped(ROOT / "prometheus" / "targets.docker") > scraped(directory)
    up(settings, UpOptions(services=("risk",)))
    assert scraped(directory) == {"risk:8005"} | others
    up(settings, UpOptions(services=tuple(components.SERVICES)))
    assert "PROMETHEUS_TARGETS" not in given[2]
    up(settings, UpOptions(shop=True))
    assert scraped(directory) == {"shop:5000"} | scraped(ROOT / "prometheus" / "targets.docker")


def test_down_asks_for_the_volumes_only_when_the_data_are_to_go(
    reported: list[Container], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = LabSettings(_env_file=None, lab_lab_state_dir=tmp_path)
    asked: list[Sequence[str]] = []
    monkeypatch.setattr(compose, "require_engine", lambda: None)
    monkeypatch.setattr(compose, "follow", lambda *arguments, **_: asked.append(arguments))
    assert not DockerBackend(settings=settings).down(wipe=False, reporter=RecordedReporter())
    reported.append(row("postgres"))
    assert DockerBackend(settings=settings).down(wipe=True, reporter=RecordedReporter())
    assert asked == [("down",), ("down", "--volumes")]
