"""The health of a component: the model of `status` and of the console's overview."""

from dataclasses import dataclass

from lab.foundation.outcome import Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class ComponentHealth:
    """One component; `reason` for an outcome other than ok, and `next_step`: what to do about it."""

    name: str
    outcome: Outcome
    reason: str = ""
    next_step: str = ""
