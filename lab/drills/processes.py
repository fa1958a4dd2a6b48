"""Stops and starts components of the lab, natively by supervisord and in containers by Compose."""

from functools import partial

from lab.errors import LabError
from lab.paths import Paths
from lab.settings import LabSettings
from lab.stack import compose, mode
from lab.stack.components import COMPONENTS
from lab.stack.mode import Mode
from lab.stack.readiness import await_state
from lab.stack.supervision import Supervisor

# Compose's names, where they are not the component's with a hyphen for each underscore.
CONTAINERS = {"datadog": "datadog-agent"}
STARTS_WITHIN_S = 90.0


def stop(settings: LabSettings, name: str) -> None:
    """Stop a component in order; returns when it has ended. One that is stopped stays so."""
    if _mode(settings) is Mode.DOCKER:
        compose.follow("stop", _container(name), say=lambda _: None)
    else:
        Supervisor(Paths.of(settings)).stop_components([COMPONENTS[name]])


def start(settings: LabSettings, name: str) -> None:
    """Start a component and return when it works; one that runs is left alone.

    Raises:
        NotReadyError: when it does not work in time.
    """
    component = COMPONENTS[name]
    if _mode(settings) is Mode.DOCKER:
        compose.follow("start", _container(name), say=lambda _: None)
    else:
        supervisor = Supervisor(Paths.of(settings))
        if not supervisor.processes()[name].is_up:
            supervisor.start_component(name)
    await_state(component.proof, partial(component.probe, settings), within_s=STARTS_WITHIN_S)


def _mode(settings: LabSettings) -> Mode:
    runs = next(mode.running(settings), None)
    if runs is None:
        raise LabError("The lab is down. Start it: ./creditlab up")
    return runs


def _container(name: str) -> str:
    return CONTAINERS.get(name, name.replace("_", "-"))
