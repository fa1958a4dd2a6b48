"""What is asked of a process of our engine, and what it answers; see worker.py."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One turn: `rate` per second is None for a closed loop."""

    scenario: str
    seconds: float
    rate: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What came of it: start delays in seconds, in an open loop only."""

    operations: int
    errors: int
    seconds: float
    start_delays: list[float]
