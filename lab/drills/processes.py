"""Stops and starts components of the lab."""

from dataclasses import dataclass
from functools import partial

from lab.drills.drill import Proof
from lab.drills.scene import Scene
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.stack.components import COMPONENTS
from lab.stack.mode import require_running

STARTS_WITHIN_S = 90.0
ACTS_AS = "no role: a component of the lab is stopped and started."


@dataclass(frozen=True, kw_only=True)
class Stoppage:
    """A component that is stopped, proven by its sessions in PostgreSQL.

    Attributes:
        component: its name in lab/stack/components.py.
        column: the column of pg_stat_activity that identifies its sessions.
        value: the value of that column.
    """

    component: str
    column: str
    value: str

    def inject(self, scene: Scene) -> None:
        """Stop it; a service drains first."""
        stop(scene.settings, self.component)

    def prove(self, scene: Scene) -> Proof:
        """Check that PostgreSQL has no session of the component."""
        sql = f"SELECT count(*) FROM pg_stat_activity WHERE {self.column} = %s"
        sessions = scene.value(sql, [self.value])
        return Proof(holds=sessions == 0, says=f"{self.value} has {sessions} sessions")

    def heal(self, scene: Scene) -> None:
        """Start it."""
        start(scene.settings, self.component)


def stop(settings: LabSettings, name: str) -> None:
    """Stop a component and wait for its end; without effect on a stopped component."""
    require_running(settings).stop_component(name)


def start(settings: LabSettings, name: str) -> None:
    """Start a component and wait until it is ready; without effect on a running component.

    Raises:
        NotReadyError: when it is not ready in time.
    """
    component = COMPONENTS[name]
    require_running(settings).start_component(name)
    await_state(component.proof, partial(component.probe, settings), within_s=STARTS_WITHIN_S)
