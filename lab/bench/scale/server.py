"""One seed scale on a temporary server: size, and CPU time of seed, verify, scrape and agent collection.

The CPU time is that of the benchmark with its processes: PostgreSQL, exporter, and the agent's collectors.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from lab import seed as seeding
from lab.bench.overhead.observers import observed, observer
from lab.bench.scratch import checkpoint, temporary_server
from lab.clients import http
from lab.clients.database import Role, connect, dsn, rows
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack.native.process_cost import cost_of
from lab.telemetry.embedded.collector import Collector
from lab.verify import invariants

SCRAPE_S = 120
# In the order of the embedded agent: each of them is a collector of lab/telemetry/embedded.
COLLECTORS = ("sessions", "statements", "check_metrics", "metadata")


def measure(settings: LabSettings, scale: float, times: int) -> tuple[int, dict[str, float]]:
    """Seed a server of its own, and return its bytes and the mean CPU seconds of `times` runs of each figure.

    Raises:
        LabError: when a component does not start, or a check of verify fails.
    """
    with _seeded(settings, scale) as (own, seconds, state):
        with connect(dsn(own, Role.SUPERUSER)) as connection:
            [[used]] = rows(connection, "SELECT pg_database_size(current_database())")
        found = {"seed": seconds, "verify": _mean(times, lambda: _verify(own))}
        watched = observed(own, console_port=own.console_port)
        with observer("postgres_exporter", watched, state):
            found["exporter scrape"] = _mean(times, lambda: _scrape(watched.exporter_port))
        found |= _collections(own, times)
        return int(used), found


@contextmanager
def _seeded(settings: LabSettings, scale: float) -> Iterator[tuple[LabSettings, float, Path]]:
    with temporary_server(settings) as own:
        before = _cpu_s()
        seeding.ensure(own.model_copy(update={"seed_scale": scale}))
        checkpoint(own)
        yield own, _cpu_s() - before, own.lab_state_dir


def _mean(times: int, work: Callable[[], object]) -> float:
    before = _cpu_s()
    for _ in range(times):
        work()
    return (_cpu_s() - before) / times


def _cpu_s() -> float:
    """Return the CPU time of this process and its descendants; those that ended are in their parents'."""
    return cost_of(psutil.Process()).cpu_s


def _verify(settings: LabSettings) -> None:
    for check in invariants.check(settings):
        if check.ok is not True:
            raise LabError(f"verify failed on the benchmark's seed: {check.name}: {check.detail}")


def _scrape(port: int) -> None:
    answer = http.send("GET", "127.0.0.1", port, "/metrics", timeout_s=SCRAPE_S)
    if not answer.is_ok:
        raise LabError(f"The exporter answered a scrape with status {answer.status}; expected 200.")


def _collections(settings: LabSettings, times: int) -> dict[str, float]:
    """Return the seconds of each collector of the embedded agent."""
    collector = Collector(
        host="bench", database=settings.postgres_db, put=lambda _path, _events: None, activity_s=0.0
    )
    with connect(dsn(settings, Role.DATADOG)) as connection:
        return {
            f"agent: {name}": _mean(times, lambda name=name: getattr(collector, name)(connection))  # type: ignore[misc]
            for name in COLLECTORS
        }
