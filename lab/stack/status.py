"""Status of the lab: the state of each component, and the rates of the intake."""

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from lab.foundation.outcome import Outcome
from lab.foundation.settings import LabSettings
from lab.stack import probes
from lab.stack.collector_failures import CollectorFailures
from lab.stack.components import COMPONENTS, SERVICES, SHOP
from lab.stack.intake_rates import IntakeRates


class State(StrEnum):
    """One component's state."""

    RUNNING = "running"  # its probe succeeds
    PAUSED = "paused"  # a service without arrivals
    STARTING = "starting"  # a process runs, and its probe does not succeed (yet)
    FAILING = "failing"  # it ends soon after each start
    ORPHANED = "orphaned"  # it runs, but supervisord was killed
    STOPPED = "stopped"
    OFF = "off"  # left out by `up --services`
    UNKNOWN = "unknown"  # it runs, and supervisord runs, too, but does not answer

    @property
    def outcome(self) -> Outcome:
        """Ok when it is in the requested state."""
        if self is State.UNKNOWN:
            return Outcome.UNKNOWN
        return Outcome.of(self in (State.RUNNING, State.OFF))


@dataclass(frozen=True, kw_only=True)
class ComponentStatus:
    """One line of `status`; version and pid of the process, None when there is none."""

    name: str
    state: State
    version: str | None
    address: str
    pid: int | None


@dataclass(frozen=True, kw_only=True)
class Status:
    """The whole lab, in the mode "native" or "docker"."""

    mode: str
    components: tuple[ComponentStatus, ...]
    intake: IntakeRates | None = None
    collector_failures: CollectorFailures | None = None

    @property
    def outcome(self) -> Outcome:
        """Ok when all selected components work and the store is written; unknown when that is unknown."""
        found = [component.state.outcome for component in self.components]
        if self.intake and self.intake.store_trouble:
            found.append(Outcome.FAILED)
        return Outcome.worst(found)

    @property
    def why_unknown(self) -> tuple[str, ...]:
        """The reason for each component whose state is unknown."""
        return tuple(
            f"{c.name}: it runs, but supervisord does not answer"
            for c in self.components
            if c.state is State.UNKNOWN
        )

    def to_json(self) -> dict[str, Any]:
        """`{"ready", "result", "why_unknown", "mode", "components", "intake", "collector_failures"}`."""
        return {
            "ready": self.outcome.ok,
            "result": self.outcome.value,
            "why_unknown": list(self.why_unknown),
            **asdict(self),
        }


def completed(found: Status, settings: LabSettings) -> Status:
    """Return the status with paused services, and with the rates of the intake."""
    return replace(with_paused(found, settings), intake=IntakeRates.fetch(settings))


def with_paused(found: Status, settings: LabSettings) -> Status:
    """Return the status with paused services as `paused`, which is not ok."""

    def checked(component: ComponentStatus) -> ComponentStatus:
        is_service = component.name in (*SERVICES, SHOP)
        if not is_service or component.state is not State.RUNNING:
            return component
        port = getattr(settings, COMPONENTS[component.name].port)
        page = probes.page(settings, port, "/healthz")
        is_paused = page is not None and json.loads(page).get("state") == State.PAUSED
        return replace(component, state=State.PAUSED) if is_paused else component

    return replace(found, components=tuple(map(checked, found.components)))
