"""What runs: the state of each component, of the whole lab, and what is stored of it."""

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

    RUNNING = "running"  # it works
    PAUSED = "paused"  # a service that works, and takes no arrivals
    STARTING = "starting"  # a process runs, and does not work (yet)
    FAILING = "failing"  # it ends soon after each start
    ORPHANED = "orphaned"  # it runs, but supervisord was killed
    STOPPED = "stopped"
    OFF = "off"  # left out by `up --services`
    UNKNOWN = "unknown"  # it runs, and supervisord, which runs too, does not answer

    @property
    def outcome(self) -> Outcome:
        """Ok when it is as it was asked for."""
        if self is State.UNKNOWN:
            return Outcome.UNKNOWN
        return Outcome.of(self in (State.RUNNING, State.OFF))


@dataclass(frozen=True, kw_only=True)
class ComponentStatus:
    """One line of `status`; version and pid are those of the process, None when there is none."""

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
        """Ok when all that was asked for works and is stored, unknown when that cannot be found out."""
        found = [component.state.outcome for component in self.components]
        if self.intake and self.intake.store_trouble:
            found.append(Outcome.FAILED)
        return Outcome.worst(found)

    @property
    def why_unknown(self) -> tuple[str, ...]:
        """For each component whose state is unknown the reason."""
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


def with_paused(found: Status, settings: LabSettings) -> Status:
    """Return the status with services that say so as paused; then not all that was asked for works."""

    def asked(component: ComponentStatus) -> ComponentStatus:
        is_service = component.name in (*SERVICES, SHOP)
        if not is_service or component.state is not State.RUNNING:
            return component
        port = getattr(settings, COMPONENTS[component.name].port)
        page = probes.page(settings, port, "/healthz")
        is_paused = page is not None and json.loads(page).get("state") == State.PAUSED
        return replace(component, state=State.PAUSED) if is_paused else component

    return replace(found, components=tuple(map(asked, found.components)))
