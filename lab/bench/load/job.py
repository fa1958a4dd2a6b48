"""The job of a process of the load engine, and its result; see worker.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One turn: `rate` per second is None for a closed loop; `timed` requests each operation's duration.

    `seed` determines the order of the operations, and their arrivals: jobs with the same seed have the same.
    `profiled` runs a closed loop in the main thread alone, with stack samples.
    """

    scenario: str
    seconds: float
    rate: float | None = None
    timed: bool = False
    profiled: bool = False
    seed: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """The result: start delays in seconds, in an open loop only; durations only when requested.

    `cpu_seconds` is the CPU time of the process, `statements` the number of executed statements, `parts` the
    number of stack samples by part, and `other_cpu_seconds` the CPU time of threads that run no operation.
    """

    operations: int
    errors: int
    seconds: float
    start_delays: list[float]
    durations: list[float]
    cpu_seconds: float
    statements: int
    parts: Mapping[str, int] = field(default_factory=dict)
    other_cpu_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Saturated:
    """Operations per second of a contestant in a closed loop, and its CPU time per operation (0: unknown)."""

    tps: float
    cpu_us: float = 0.0
