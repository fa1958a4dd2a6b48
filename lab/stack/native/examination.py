"""Status of the native lab: processes from supervisord, and each component's probe."""

from concurrent.futures import ThreadPoolExecutor

from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.agent import Agent
from lab.stack.components import COMPONENTS, Component, selection
from lab.stack.native import alertmanager
from lab.stack.native.records import Record
from lab.stack.native.supervision import SupervisedProcess, Supervisor
from lab.stack.status import ComponentStatus, State, Status
from lab.stack.up_options import UpOptions


def examine(settings: LabSettings) -> Status:
    """Return the status; takes as long as the slowest probe."""
    paths = Paths.of(settings)
    options = UpOptions.read(paths.up_options) or UpOptions()
    settings = options.running(settings)
    supervisor = Supervisor(paths)
    processes = supervisor.processes() if supervisor.answers() else {}
    is_unresponsive = not processes and supervisor.lives()
    wanted = selection(
        options.services,
        Agent.of(settings),
        shop=bool(options.shop),
        alertmanager=alertmanager.present(),
    )
    known = [c for c in COMPONENTS.values() if c in wanted or not c.optional]

    def status_of(component: Component) -> ComponentStatus:
        record = Record.read(paths.run, component.name)
        alive = record if record and record.process() else None
        state = State.OFF
        if component in wanted:
            state = _state(component, processes.get(component.name), alive, settings)
            if is_unresponsive and state is State.ORPHANED:
                state = State.UNKNOWN
        return ComponentStatus(
            name=component.name,
            state=state,
            version=alive.version if alive else None,
            address=component.address(settings),
            pid=alive.pid if alive else None,
        )

    with ThreadPoolExecutor() as pool:
        components = tuple(pool.map(status_of, known))
    return Status(mode="native", components=components)


def _state(
    component: Component,
    process: SupervisedProcess | None,
    alive: Record | None,
    settings: LabSettings,
) -> State:
    if process is None:
        return State.ORPHANED if alive else State.STOPPED
    if process.keeps_failing:
        return State.FAILING
    if not process.is_up:
        return State.STOPPED
    return State.STARTING if component.probe(settings) else State.RUNNING
