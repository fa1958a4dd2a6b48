"""Cost of the observers outside the database; unknown figures have a reason."""

import json
import subprocess
from pathlib import Path

import pytest

from lab.compare import processes, traffic
from lab.compare.resources import DATADOG, LAB, PROMETHEUS, gathered
from lab.foundation.settings import LabSettings
from lab.stack.docker import compose
from lab.stack.docker.backend import DockerBackend
from lab.stack.docker.compose import ComposeError, Usage
from lab.stack.native.records import Record
from tests.fix_postgres import free_port, settings_for


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    """Of a lab of which nothing runs."""
    absent = settings_for(port=free_port(), database="absent")
    return absent.model_copy(update={"lab_state_dir": tmp_path, "prometheus_port": free_port()})


def test_a_recorded_process_has_cpu_and_memory(settings: LabSettings, tmp_path: Path) -> None:
    """Its own, by the record that it left; other components, and those that do not run, are omitted."""
    (tmp_path / "run").mkdir()
    for name in ("prometheus", "proposals"):
        Record.of_this_process(name, version="1", address="").write(tmp_path / "run")
    cpu, memory = processes.spent(settings)
    assert (cpu.observer, cpu.unit) == (PROMETHEUS, "% of a processor")
    assert cpu.value
    assert cpu.what.startswith("prometheus: CPU")
    assert memory.value
    assert 10 < memory.value < 10_000


def test_the_embedded_agent_is_called_so(settings: LabSettings, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    Record.of_this_process("datadog", version="1", address="").write(tmp_path / "run")
    embedded = settings.model_copy(update={"datadog_agent": "embedded"})
    cpu, _ = processes.spent(embedded)
    assert "embedded agent, not Datadog's" in cpu.what


def test_where_nothing_runs_there_are_no_figures(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither processes, nor Prometheus, nor a store: each has its reason; tracing names its benchmark."""
    monkeypatch.setattr(DockerBackend, "available", lambda _: False)
    found = gathered(processes.spent(settings), traffic.spent(settings, since_s=60))
    assert {one.observer for one in found} == {PROMETHEUS, DATADOG, LAB}
    assert all(one.value is None and one.why_not for one in found)
    assert any("Prometheus does not answer" in one.why_not for one in found)
    assert any("./creditlab bench overhead" in one.why_not for one in found)
    assert [one.observer for one in found] == sorted(
        (one.observer for one in found), key=[PROMETHEUS, DATADOG, LAB].index
    )


def test_containers_are_reported_by_component(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`docker stats` knows short identities, Compose the services' names."""
    exporter, seed = "0123456789abcdef" * 4, "fedcba9876543210" * 4
    listed = [
        {"ID": exporter, "Service": "postgres-exporter"},
        {"ID": seed, "Service": "proposals"},
    ]
    reported = [
        {"ID": identity[:12], "CPUPerc": "1.50%", "MemUsage": "20MiB / 1GiB"}
        for identity in (seed, exporter)
    ]

    def run(*command: str, **_: object) -> subprocess.CompletedProcess[str]:
        rows = listed if command[1] == "compose" else reported
        return subprocess.CompletedProcess(command, 0, "\n".join(map(json.dumps, rows)), "")

    monkeypatch.setattr(compose, "_run", run)
    monkeypatch.setattr(processes, "running", lambda _: iter([DockerBackend(settings=settings)]))
    cpu, memory = processes.spent(settings)
    assert (cpu.what, cpu.value) == ("postgres_exporter: CPU, now", 1.5)
    assert memory.value == pytest.approx(20.97, abs=0.01)


def test_an_engine_that_refuses_is_quoted(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> dict[str, Usage]:
        raise ComposeError("permission denied")

    monkeypatch.setattr(compose, "usage", refuse)
    monkeypatch.setattr(processes, "running", lambda _: iter([DockerBackend(settings=settings)]))
    assert {str(one) for one in processes.spent(settings)} == {"cannot answer: permission denied"}


def test_stats_that_are_no_stats_are_refused() -> None:
    """A container that has just ended has dashes for figures."""
    with pytest.raises(ComposeError, match="--"):
        Usage.from_json({"CPUPerc": "--", "MemUsage": "-- / --"})
