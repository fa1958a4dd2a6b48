"""`./creditlab bench NAME ... --json` in this process, on the tests' server and without a lab."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.bench import group
from lab.bench.machine import Load, reasons
from lab.foundation.settings import LabSettings
from lab.stack.environment import of_settings
from lab.stack.native.cluster import Cluster

Bench = Callable[..., Any]


@pytest.fixture
def bench(
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Bench:
    """Call a benchmark by its arguments; return the document that it prints, without
    the conditions of the machine, which each has. Its state is in `tmp_path`."""
    own = {"lab_state_dir": tmp_path / "state", "postgres_log_dir": tmp_path}
    settings = cluster.settings.model_copy(update=own)
    for name, value in of_settings(settings, LabSettings.model_fields).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine")

    def called(*arguments: str) -> Any:
        capsys.readouterr()
        group.main([*arguments, "--json"], standalone_mode=False)
        document = json.loads(capsys.readouterr().out)
        machine = document.pop("machine")
        assert machine["processors"] >= 1
        assert {"lab", "python"} <= machine["versions"].keys()
        assert machine["load"]["seconds"] > 0
        assert len(list(reasons(Load(**machine["load"]), machine["claim"]))) == len(
            machine["noise"]
        )
        return document

    return called
