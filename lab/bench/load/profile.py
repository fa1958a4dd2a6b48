"""Where the CPU time of a traced statement is spent: stack samples of one thread, by part of the tracer.

A timer of CPU time interrupts the thread each millisecond. Time within a C function counts for the Python
line that calls it; the driver's call is a line of its own in ddtrace's cursor.
"""

import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from linecache import getline
from types import FrameType

PERIOD_S = 0.001
DRIVER, OTHER = "driver and operation", "engine"
# The first entry that is part of a file's path decides, from the innermost frame outwards.
PARTS: Mapping[str, str] = {
    "ddtrace/propagation/_database_monitoring": "comment injection",
    "ddtrace/vendor/sqlcommenter": "comment injection",
    "ddtrace/internal/writer": "encoding",
    "ddtrace/internal/encoding": "encoding",
    "ddtrace/_trace/processor": "encoding",
    "ddtrace/_trace": "spans",
    "ddtrace/contrib": "cursor wrapper",
    "ddtrace/": "spans",
    "workload/database": OTHER,
    "workload/services": DRIVER,
    "lab/bench/load/scenarios": DRIVER,
    "workload/": OTHER,
}
# In workload/database.py and in ddtrace's cursor, the lines that call psycopg2.
CALLS = ("return method(*args, **kwargs)", "cursor.execute(", "cursor.fetchall()", ".commit()")


def part_of(frames: Iterator[tuple[str, str]]) -> str:
    """Return the part of the innermost frame that has one.

    Args:
        frames: file name and source line of each frame, innermost first.

    >>> part_of(iter([("x/ddtrace/contrib/dbapi.py", "return method(*args, **kwargs)")]))
    'driver and operation'
    >>> part_of(iter([("re.py", "x"), ("x/ddtrace/vendor/sqlcommenter/__init__.py", "y")]))
    'comment injection'
    """
    for file, line in frames:
        if any(call in line for call in CALLS):
            return DRIVER
        for path, part in PARTS.items():
            if path in file:
                return part
    return OTHER


@contextmanager
def sampled() -> Iterator[Counter[str]]:
    """Yield the samples of the main thread by part, taken while the block runs."""
    found: Counter[str] = Counter()

    def sample(_: int, frame: FrameType | None) -> None:
        found[part_of(_frames(frame))] += 1

    before: Callable[..., object] | int | None = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, PERIOD_S, PERIOD_S)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _frames(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    while frame is not None:
        file = frame.f_code.co_filename
        yield file, getline(file, frame.f_lineno or 0)  # an artificial instruction has none
        frame = frame.f_back
