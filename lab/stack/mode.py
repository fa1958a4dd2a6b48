"""Selection of the mode, native or Docker, for each command.

In this order: the command's option; the mode that runs; Docker where an engine answers, because it has the
real Agent and Grafana; else native. Only the commands dispatch on the mode.
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.stack import up_options
from lab.stack.collector_failures import CollectorFailures
from lab.stack.docker import compose
from lab.stack.docker import lifecycle as docker
from lab.stack.intake_rates import IntakeRates
from lab.stack.native import examination, records, stopping
from lab.stack.native.supervision import Supervisor
from lab.stack.status import Status, with_paused


class Mode(StrEnum):
    """Where the lab runs."""

    NATIVE = "native"
    DOCKER = "docker"

    @property
    def place(self) -> str:
        """The mode as part of a sentence."""
        return "in containers" if self is Mode.DOCKER else "on this machine, without containers"


class OtherModeError(LabError):
    """The lab runs in the other mode, and both use the same ports."""


def requested(*, docker: bool, native: bool) -> Mode | None:
    """Return the mode of the options `--docker` and `--native`; None without an option.

    Raises:
        LabError: when both are given.
    """
    if docker and native:
        raise LabError("--native and --docker are mutually exclusive.")
    if docker:
        return Mode.DOCKER
    return Mode.NATIVE if native else None


def decide(settings: LabSettings, requested: Mode | None = None) -> Mode:
    """Return the mode of this call.

    Raises:
        NoEngineError: when Docker was requested, and no engine answers.
    """
    if requested is Mode.DOCKER:
        compose.require_engine()
    if requested:
        return requested
    # The engine is called once: a hanging one costs seconds for each call.
    return Mode.DOCKER if not _runs_natively(settings) and docker.answers(settings) else Mode.NATIVE


def running(settings: LabSettings) -> Iterator[Mode]:
    """Yield each mode that runs; Docker is called only when the second value is requested."""
    if _runs_natively(settings):
        yield Mode.NATIVE
    if docker.answers(settings) and docker.runs():
        yield Mode.DOCKER


def _runs_natively(settings: LabSettings) -> bool:
    paths = Paths.of(settings)
    return Supervisor(paths).answers() or any(records.living(paths.run))


def to_stop(settings: LabSettings) -> list[Mode]:
    """Return the modes that `down` without an option stops: those that run, else all that are available."""
    return list(running(settings)) or [
        Mode.NATIVE,
        *([Mode.DOCKER] if docker.answers(settings) else []),
    ]


def require_alone(mode: Mode, settings: LabSettings) -> None:
    """Return when the other mode does not run.

    Raises:
        OtherModeError: with both solutions.
    """
    for other in running(settings):
        if other is not mode:
            raise OtherModeError(
                f"The lab runs {other.place}; both modes use the same ports.\n"
                f"Keep that mode: ./creditlab up --{other}. Or stop it first:"
                f" ./creditlab down --{other}"
            )


def status(mode: Mode, settings: LabSettings) -> Status:
    """Return the status of the lab in a mode."""
    native_mode = mode is not Mode.DOCKER
    found = examination.examine(settings) if native_mode else docker.status()
    settings = running_settings(settings)
    return replace(
        with_paused(found, settings),
        intake=IntakeRates.fetch(settings),
        collector_failures=CollectorFailures.fetch(settings) if native_mode else None,
    )


def down(mode: Mode, settings: LabSettings, *, wipe: bool, reporter: Reporter) -> bool:
    """Stop the lab, with `wipe` remove its data; return whether anything ran."""
    stop = docker.down if mode is Mode.DOCKER else stopping.down
    return stop(settings, wipe=wipe, reporter=reporter)


def up_options_file(mode: Mode, settings: LabSettings) -> Path:
    """Return the file with the options of the last `up`; see lab/stack/up_options.py."""
    paths = Paths.of(settings)
    return paths.docker_up_options if mode is Mode.DOCKER else paths.up_options


def running_settings(settings: LabSettings) -> LabSettings:
    """Return the settings with the addresses of the running lab, or the given ones when none runs."""
    if next(running(settings), None) is Mode.DOCKER:
        return docker.running_settings(settings)
    return up_options.running_settings(settings)
