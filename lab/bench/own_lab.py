"""The lab that a benchmark measures: the running one, or one that it starts natively and removes."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.bench.own_console import free_port
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import ROOT, LabSettings
from lab.stack.environment import inherited, of_settings
from lab.stack.mode import running, running_settings
from lab.terminal.screen import err

MODULE = (sys.executable, "-P", "-m", "lab")
SCALE = "0.1"
LAST_LINES = 12


@dataclass(frozen=True, kw_only=True)
class OwnLab:
    """A lab of the benchmark, on free ports and in its own directory.

    Attributes:
        settings: the settings before the first `up`.
        environment: of its commands.
    """

    settings: LabSettings
    environment: Mapping[str, str]

    def call(self, *arguments: str) -> None:
        """Run a command of it.

        Raises:
            LabError: with the last lines that it printed, when it fails.
        """
        done = subprocess.run(
            [*MODULE, *arguments],
            env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            said = "\n".join(os.linesep.join((done.stdout, done.stderr)).splitlines()[-LAST_LINES:])
            raise LabError(f"The benchmark's lab did not start (`{' '.join(arguments)}`):\n{said}")


@contextmanager
def own_lab(settings: LabSettings) -> Iterator[OwnLab]:
    """Yield a lab that is not started yet; it is removed at the end."""
    parent = Paths.of(settings).state
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as directory:
        own = _on_free_ports(settings, Path(directory) / "lab")
        lab = OwnLab(settings=own, environment=_environment(own))
        try:
            yield lab
        finally:
            subprocess.run(
                [*MODULE, "down", "--native", "--wipe"],
                env=lab.environment, cwd=ROOT, capture_output=True, check=False,
            )  # fmt: skip


@contextmanager
def measured_lab(settings: LabSettings) -> Iterator[LabSettings]:
    """Yield the settings of the running lab, or of a lab on free ports at the default load.

    Raises:
        LabError: when a lab must be started, and does not start.
    """
    if next(running(settings), None):
        yield running_settings(settings)
        return
    with own_lab(settings) as lab:
        err.print(f"  No lab runs: starting one at scale {SCALE} for the measurement.")
        lab.call("up", "--native", "--scale", SCALE)
        yield running_settings(lab.settings)


def _on_free_ports(settings: LabSettings, state: Path) -> LabSettings:
    ports = {name: free_port() for name in LabSettings.model_fields if name.endswith("_port")}
    own = {"lab_state_dir": state, "postgres_log_dir": None, "datadog_agent": "embedded"}
    return settings.model_copy(update={**ports, **own})


def _environment(own: LabSettings) -> dict[str, str]:
    ports = [name for name in LabSettings.model_fields if name.endswith("_port")]
    return {
        **inherited(),
        **of_settings(own, [*ports, "lab_state_dir", "datadog_agent"]),
        # A lab in containers has other ports, and is not meant here.
        "DOCKER_HOST": f"unix://{own.lab_state_dir}/no-engine",
    }
