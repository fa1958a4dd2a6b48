"""A machine whose `docker` is the test's own program: commands in Docker's mode, without an engine.

Only the answers of `docker` are played: whatever a container is asked for is really asked for.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lab.cli import main
from lab.foundation.settings import LabSettings
from lab.stack.native.records import Record

# Answers as docker does; each call is noted in the file `calls` beside it, `ps` tells what `ps` holds, and
# `console` holds the environment of the console's container.
STUB = """#!/bin/sh
cd "$(dirname "$0")"
echo "SCALE=$SEED_SCALE LOAD=$WORKLOAD_LOAD $*" >> calls
case "$*" in
    "compose version --short") echo 2.26.1 ;;
    "compose ps --all --format json") cat ps ;;
    "compose ps --all --quiet datadog-agent") echo 1d ;;
    "compose ps --all --quiet console") if [ -f console ]; then echo c0; fi ;;
    "compose config --services") printf 'postgres\\nseed\\nproposals\\nrisk\\ndatadog-agent\\n' ;;
    "compose config --format json") echo '{"services": {"datadog-agent": {"environment": {}}}}' ;;
    "inspect "*" c0") cat console ;;
    "inspect "*) echo '["DD_API_KEY=", "LAB_INTAKE=console:8088"]' ;;
    "compose logs "*) echo "risk-1  | started" ;;
esac
"""


class Machine:
    """A machine with a docker program of the test's, and a state directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings = LabSettings(_env_file=None, lab_state_dir=directory / "state")

    def has_engine(self) -> None:
        """An engine answers, and runs nothing of the lab."""
        stub = self.directory / "docker"
        stub.write_text(STUB)
        stub.chmod(0o755)
        (self.directory / "ps").touch()

    def has_no_engine(self) -> None:
        """A docker program that finds no engine; its calls are noted as those of the other one are."""
        stub = self.directory / "docker"
        stub.write_text('#!/bin/sh\necho "$*" >> "$(dirname "$0")/calls"\nexit 1\n')
        stub.chmod(0o755)

    def runs_containers(self, *, port: int = 5432, **published: int) -> None:
        """An engine runs three of the lab's containers, with PostgreSQL at this port, and those published."""
        self.has_engine()
        facts = {"State": "running", "Health": "healthy", "ExitCode": 0, "Image": "image:1.2"}
        at = {"postgres": port, "proposals": None, "datadog-agent": None, **published}
        rows = [
            {
                **facts,
                "Service": service,
                "Publishers": [{"URL": "127.0.0.1", "PublishedPort": where}] if where else [],
            }
            for service, where in at.items()
        ]
        (self.directory / "ps").write_text("\n".join(map(json.dumps, rows)))

    def has_console(self, port: int, token: str, **published: int) -> None:
        """A container of the console is published here, and was made with this token."""
        self.runs_containers(console=port, **published)
        (self.directory / "console").write_text(json.dumps([f"LAB_CONSOLE_TOKEN={token}"]))

    def runs_natively(self) -> None:
        """A component of a native lab is alive: this process plays it."""
        run = self.settings.lab_state_dir / "run"
        run.mkdir(parents=True)
        created = psutil.Process().create_time()
        Record(
            component="risk", pid=os.getpid(), created=created, version="1", address="none"
        ).write(run)

    def calls(self) -> list[str]:
        """Return what docker was called for."""
        return (self.directory / "calls").read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine without Docker on which nothing runs."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine")
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "state"))
    # `up` is not to wait for a trace that played containers never send.
    monkeypatch.setenv("DD_TRACE_ENABLED", "false")
    return Machine(tmp_path)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line; returns its exit status."""

    def called(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["creditlab", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        assert isinstance(left.value.code, int)
        return left.value.code

    return called
