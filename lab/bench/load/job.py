"""What is asked of a process of our engine, and what it answers; see worker.py."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One turn: `rate` per second is None for a closed loop; `timed` asks for each operation's time."""

    scenario: str
    seconds: float
    rate: float | None = None
    timed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What came of it: start delays in seconds, in an open loop only; durations only when asked for.

    `cpu_seconds` is the process's own, `statements` how many were executed.
    """

    operations: int
    errors: int
    seconds: float
    start_delays: list[float]
    durations: list[float]
    cpu_seconds: float
    statements: int
