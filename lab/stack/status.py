"""Status of the lab: the state of each component, and the rates of the intake."""

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from lab.foundation.outcome import Outcome
from lab.foundation.settings import LabSettings
from lab.stack import probes
from lab.stack.collector_failures import CollectorFailures
from lab.stack.components import COMPONENTS, SERVICES, SHOP
from lab.stack.health import ComponentHealth
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


# The reason of each state that is not ok, and what to do.
REASONS = MappingProxyType({
    State.PAUSED: ("it takes no arrivals", "curl -X POST {address}/resume"),
    State.STARTING: ("a process runs, and its probe does not succeed yet", "./creditlab logs {name}"),
    State.FAILING: ("it ends soon after each start", "./creditlab logs {name}"),
    State.ORPHANED: ("it runs, but supervisord was killed", "./creditlab up"),
    State.STOPPED: ("no process runs", "./creditlab up"),
    State.UNKNOWN: ("it runs, but supervisord does not answer", "./creditlab restart"),
})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ComponentStatus:
    """One line of `status`; version and pid of the process, None when there is none."""

    name: str
    state: State
    version: str | None
    address: str
    pid: int | None

    @property
    def health(self) -> ComponentHealth:
        """Ok when it is in the requested state."""
        if self.state not in REASONS:
            return ComponentHealth(name=self.name, outcome=Outcome.OK)
        reason, step = REASONS[self.state]
        return ComponentHealth(
            name=self.name,
            outcome=Outcome.UNKNOWN if self.state is State.UNKNOWN else Outcome.FAILED,
            reason=reason,
            next_step=step.format(name=self.name, address=self.address),
        )


@dataclass(frozen=True, kw_only=True)
class Status:
    """The whole lab, in the mode "native" or "docker"."""

    mode: str
    components: tuple[ComponentStatus, ...]
    intake: IntakeRates | None = None
    collector_failures: CollectorFailures | None = None

    @property
    def health(self) -> tuple[ComponentHealth, ...]:
        """The health of each component."""
        return tuple(component.health for component in self.components)

    @property
    def outcome(self) -> Outcome:
        """Ok when all selected components work and the store is written; unknown when that is unknown."""
        found = [health.outcome for health in self.health]
        if self.intake and self.intake.store_trouble:
            found.append(Outcome.FAILED)
        return Outcome.worst(found)

    @property
    def why_unknown(self) -> tuple[str, ...]:
        """The reason for each component whose state is unknown."""
        return tuple(
            f"{health.name}: {health.reason}"
            for health in self.health
            if health.outcome is Outcome.UNKNOWN
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
