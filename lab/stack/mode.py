"""Selection of the backend, native or Docker, for each command.

In this order: the command's option; the backend that runs; Docker where an engine answers, because it has the
real Agent and Grafana; else native. A backend is imported when it is selected or has to be asked.
"""

from collections.abc import Iterator

from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack.backend import Backend, Mode


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


def backend(mode: Mode, settings: LabSettings) -> Backend:
    """Return the backend of a mode."""
    if mode is Mode.DOCKER:
        from lab.stack.docker.backend import DockerBackend  # noqa: PLC0415

        return DockerBackend(settings=settings)
    from lab.stack.native.backend import NativeBackend  # noqa: PLC0415

    return NativeBackend(settings=settings)


def decide(settings: LabSettings, requested: Mode | None = None) -> Backend:
    """Return the backend of this call.

    Raises:
        NoEngineError: when Docker was requested, and no engine answers.
    """
    if requested is Mode.DOCKER:
        from lab.stack.docker import compose  # noqa: PLC0415

        compose.require_engine()
    if requested:
        return backend(requested, settings)
    native = backend(Mode.NATIVE, settings)
    if native.runs():
        return native
    # The engine is called once: a hanging one costs seconds for each call.
    docker = backend(Mode.DOCKER, settings)
    return docker if docker.available() else native


def running(settings: LabSettings) -> Iterator[Backend]:
    """Yield each backend that runs; Docker is called only when the second value is requested."""
    return (each for each in (backend(mode, settings) for mode in Mode) if each.runs())


def current(settings: LabSettings) -> Backend:
    """Return the backend that runs; native when none does."""
    return next(running(settings), None) or backend(Mode.NATIVE, settings)


def require_running(settings: LabSettings) -> Backend:
    """Return the backend that runs.

    Raises:
        LabError: when none does.
    """
    found = next(running(settings), None)
    if found is None:
        raise LabError("The lab is down. Start it: ./creditlab up")
    return found


def to_stop(settings: LabSettings) -> list[Backend]:
    """Return what `down` without an option stops: the backends that run, else all that are available."""
    every = [backend(mode, settings) for mode in Mode]
    return list(running(settings)) or [each for each in every if each.available()]


def require_alone(chosen: Backend, settings: LabSettings) -> None:
    """Return when the other backend does not run.

    Raises:
        OtherModeError: with both solutions.
    """
    for other in running(settings):
        if other.mode is not chosen.mode:
            raise OtherModeError(
                f"The lab runs {other.mode.place}; both modes use the same ports.\n"
                f"Keep that mode: ./creditlab up --{other.mode}. Or stop it first:"
                f" ./creditlab down --{other.mode}"
            )


def running_settings(settings: LabSettings) -> LabSettings:
    """Return the settings with the addresses of the running lab, or the given ones when none runs."""
    return current(settings).running_settings()
