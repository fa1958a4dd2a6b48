"""Native or Docker: the one place that decides which of the two a command speaks to.

What was asked for decides; else what runs; else Docker where an engine answers, because most people
have one and it gives them the real Agent and Grafana. Commands dispatch on the mode, and nothing else asks.
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.stack import up_options as memory
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
        """Where that is, in a sentence."""
        return "in containers" if self is Mode.DOCKER else "on this machine, without containers"


class OtherModeError(LabError):
    """The lab runs in the other mode, and both want the same ports."""


def asked_for(*, docker: bool, native: bool) -> Mode | None:
    """Return the mode that the options `--docker` and `--native` ask for.

    Raises:
        LabError: when both are given.
    """
    if docker and native:
        raise LabError("--native and --docker exclude each other.")
    if docker:
        return Mode.DOCKER
    return Mode.NATIVE if native else None


def decide(settings: LabSettings, asked: Mode | None = None) -> Mode:
    """Return the mode of this call.

    Raises:
        NoEngineError: when Docker was asked for, and is not there to answer.
    """
    if asked is Mode.DOCKER:
        compose.require_engine()
    if asked:
        return asked
    # The engine is asked once: one that hangs costs seconds each time.
    return Mode.DOCKER if not _runs_natively(settings) and docker.answers() else Mode.NATIVE


def running(settings: LabSettings) -> Iterator[Mode]:
    """Yield each mode of which something runs; Docker is not asked before its turn."""
    if _runs_natively(settings):
        yield Mode.NATIVE
    if docker.answers() and docker.runs():
        yield Mode.DOCKER


def _runs_natively(settings: LabSettings) -> bool:
    paths = Paths.of(settings)
    return Supervisor(paths).answers() or any(records.living(paths.run))


def to_stop(settings: LabSettings) -> list[Mode]:
    """Return what an unspecific `down` stops: what runs; else every mode that may have left something."""
    return list(running(settings)) or [Mode.NATIVE, *([Mode.DOCKER] if docker.answers() else [])]


def require_alone(mode: Mode, settings: LabSettings) -> None:
    """Return when nothing of the other mode runs.

    Raises:
        OtherModeError: naming both ways out.
    """
    for other in running(settings):
        if other is not mode:
            raise OtherModeError(
                f"The lab runs {other.place}; both modes want the same ports.\n"
                f"Stay with that one: ./creditlab up --{other}. Or stop it first:"
                f" ./creditlab down --{other}"
            )


def status(mode: Mode, settings: LabSettings) -> Status:
    """Return what runs."""
    native_mode = mode is not Mode.DOCKER
    found = examination.examine(settings) if native_mode else docker.status()
    settings = running_settings(settings)
    return replace(
        with_paused(found, settings),
        intake=IntakeRates.ask(settings),
        collector_failures=CollectorFailures.ask(settings) if native_mode else None,
    )


def down(mode: Mode, settings: LabSettings, *, wipe: bool, reporter: Reporter) -> bool:
    """Stop the lab, with `wipe` forget its data; return whether anything ran."""
    stop = docker.down if mode is Mode.DOCKER else stopping.down
    return stop(settings, wipe=wipe, reporter=reporter)


def remembered(mode: Mode, settings: LabSettings) -> Path:
    """Return the file that holds the options of the last `up`; see lab/stack/up_options.py."""
    paths = Paths.of(settings)
    return paths.docker_memory if mode is Mode.DOCKER else paths.memory


def running_settings(settings: LabSettings) -> LabSettings:
    """Return settings that reach the lab that runs, or the given ones when none does."""
    if next(running(settings), None) is Mode.DOCKER:
        return docker.running_settings(settings)
    return memory.running_settings(settings)
