"""The embedded agent in tests: its payloads delivered at once."""

from lab.foundation.readiness import await_state
from lab.telemetry.embedded.__main__ import Agent

WITHIN_S = 150.0


def deliver(agent: Agent) -> None:
    """Send all that an agent has collected, without waiting for a batch; retry while the console is busy."""

    def left() -> str | None:
        waiting = agent._delivery.flush()
        return f"{waiting} payloads wait" if waiting else None

    await_state("the intake has accepted all payloads", left, within_s=WITHIN_S)
