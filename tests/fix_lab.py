"""The whole lab for acceptance tests: `./creditlab` as a person calls it, on free ports of its own."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.foundation.settings import ROOT, LabSettings
from lab.stack.native.backend import NativeBackend
from tests.fix_postgres import free_port
from tests.sharing import SHARING

COMMAND_SECONDS = 600
SCALE = "0.1"


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A native lab that is up; `settings` are those its processes run with."""

    state: Path
    environment: dict[str, str]
    settings: LabSettings

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `./creditlab` with these arguments, and return what it said."""
        return subprocess.run(
            [str(ROOT / "creditlab"), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run a command with --json and return what it printed."""
        done = self.run(*arguments, "--json")
        assert done.stdout, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def status(self) -> dict[str, Any]:
        """Return what `status --json` prints of the components, without the start of a process."""
        printed = json.dumps(NativeBackend(settings=self.settings).status().to_json())
        answer: dict[str, Any] = json.loads(printed)
        return answer

    def pid(self, component: str) -> int:
        """Return the process id of a component, by its record."""
        record = json.loads((self.state / "run" / f"{component}.json").read_text(encoding="utf-8"))
        return int(record["pid"])


@dataclass(frozen=True, kw_only=True)
class Further:
    """More options of the first `up`, and more of its environment."""

    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


def _ports(names: Sequence[str]) -> dict[str, str]:
    return {name.upper(): str(free_port()) for name in names}


@pytest.fixture(scope="module")
def further() -> Further:
    """What a module's lab has beyond the usual one: for modules to override."""
    return Further()


@contextmanager
def running_lab(directory: Path, further: Further) -> Iterator[Lab]:
    """Bring a lab up, and take it down at the end of the block."""
    state = directory / "the lab"
    overrides = _ports([name for name in LabSettings.model_fields if name.endswith("_port")])
    # No engine: a lab that the caller runs in containers is in nobody's way.
    own = {"LAB_STATE_DIR": str(state), "DOCKER_HOST": f"unix://{state}/no-engine"}
    # Nor an Agent that this machine may have.
    own["DATADOG_AGENT"] = "embedded"
    environment = {**os.environ, **overrides, **own, **further.variables}
    fields = {name.lower(): value for name, value in overrides.items()}
    running = Lab(
        state=state,
        environment=environment,
        settings=LabSettings(_env_file=None, lab_state_dir=state, **fields),
    )
    try:
        up = running.run("up", "--native", "--scale", SCALE, *further.options)
        assert up.returncode == 0, up.stdout + up.stderr
        yield running
    finally:
        running.run("down", "--wipe")


class SharedLab:
    """The lab of several files, one after the other; a further one when a file has left it incomplete."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._stack = ExitStack()
        self._lab: Lab | None = None

    def running(self) -> Lab:
        """Return the lab, every component of which runs."""
        if self._lab is None or {c["state"] for c in self._lab.status()["components"]} != {
            "running"
        }:
            self.close()
            self._lab = self._stack.enter_context(
                running_lab(self._factory.mktemp("lab"), Further())
            )
        return self._lab

    def close(self) -> None:
        """Take the lab down."""
        self._stack.close()
        self._lab = None


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedLab]:
    """The lab of the files in SHARING; the last one of them takes it down."""
    shared = SharedLab(tmp_path_factory)
    yield shared
    shared.close()


@pytest.fixture(scope="module")
def lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, further: Further
) -> Iterator[Lab]:
    """A lab of a tenth of the usual data, up and under the default load."""
    if request.path.name not in SHARING:
        with running_lab(tmp_path_factory.mktemp("lab"), further) as own:
            yield own
        return
    shared: SharedLab = request.getfixturevalue("shared_lab")
    yield shared.running()
    sharing = [item.path.name for item in request.session.items if item.path.name in SHARING]
    if request.path.name == sharing[-1]:
        shared.close()
