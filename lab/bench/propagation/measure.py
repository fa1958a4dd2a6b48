"""The rounds of the measurement, and then for each cell what PostgreSQL saw of its statements.

In a round each cell has a turn of as many executions; ratios are to propagation `disabled` of the same driver
and route in the same round. CPU time is the kernel's run time of the processes, in nanoseconds.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles

import psutil

from lab.bench.overhead.ratios import Estimate, ratio
from lab.bench.overhead.usage import postmaster_of
from lab.bench.propagation.cells import DISABLED, MARK, Cell, Done, Job, cells
from lab.bench.propagation.linking import Linked, executions, linked
from lab.bench.propagation.pool import Workers
from lab.clients.database import Connection, Role, connect, dsn, rows
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.stack.native.records import descendants

# Executions whose texts and plans are examined, after a few by which the log is known to be on.
EXAMINED = 40
KNOCK = 2
LOG_S = 60
US_PER_S = 1_000_000
NS_PER_US = 1_000
MS_PER_S = 1_000
LAST_PERCENTILE = 98
STATEMENTS_SEEN = """
SELECT count(*), coalesce(sum(octet_length(query)), 0)::bigint, coalesce(sum(calls), 0)::bigint,
    coalesce(sum(plans), 0)::bigint
FROM pg_stat_statements WHERE query LIKE %s AND userid = 'credit_app'::regrole
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """A turn: latencies in milliseconds; CPU time per execution of the client, and of server and pooler."""

    p50_ms: float
    p99_ms: float
    client_cpu_us: float
    server_cpu_us: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What PostgreSQL saw of the examined executions.

    Attributes:
        linked: by the texts in the log.
        entries, text_bytes: of pg_stat_statements.
        plans_reused: share of the executions that were not planned.
    """

    linked: Linked
    entries: int
    text_bytes: int
    plans_reused: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A cell's result: medians of the rounds, and ratios to `disabled`, by figure; none for `disabled`."""

    cell: Cell
    typical: Turn
    ratios: Mapping[str, Estimate]
    seen: Seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """The benchmark's server with its pooler, and the CPU time of their processes."""

    settings: LabSettings
    pooler: psutil.Process | None

    def run_ns(self) -> int:
        """Return the run time of all its processes; those that end in a turn are not in the difference."""
        ids = [one.pid for one in descendants(postmaster_of(self.settings))]
        return sum(map(run_ns, [*ids, *([self.pooler.pid] if self.pooler else [])]))


def run_ns(pid: int) -> int:
    """Return the time that a single-threaded process has run, in nanoseconds; 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(text.split()[0])


def measure(
    server: Server,
    workers: Workers,
    wanted: Sequence[Cell],
    *,
    rounds: int,
    executions_each: int,
    progress: Callable[[str], None],
) -> list[Row]:
    """Measure all cells on a seeded server.

    Raises:
        LabError: when a worker or a statement fails, or the log does not have the executions.
    """
    turns: defaultdict[Cell, list[Turn]] = defaultdict(list)
    for cell in wanted:
        progress(f"warm-up: {cell.driver}, {cell.route}")
        workers.run(cell, Job(route=cell.route, executions=EXAMINED))
    for number in range(1, rounds + 1):
        for cell in wanted:
            progress(f"round {number}: {cell.driver}, {cell.route}, {cell.mode}")
            turns[cell].append(_turn(server, workers, cell, executions_each))
    seen = {}
    with _observed(server.settings) as connection:
        for cell in wanted:
            progress(f"texts and plans: {cell.driver}, {cell.route}, {cell.mode}")
            seen[cell] = _see(server, workers, cell, connection)
    return [
        Row(cell=cell, typical=typical(turns[cell]), ratios=ratios(cell, turns), seen=seen[cell])
        for cell in wanted
    ]


def planned(drivers: Sequence[str], routes: Sequence[str]) -> list[Cell]:
    """Return the cells of these drivers and routes, in the order of a round."""
    return list(cells(drivers, routes))


def typical(turns: Sequence[Turn]) -> Turn:
    """Return the medians."""
    values = {name: median(asdict(turn)[name] for turn in turns) for name in asdict(turns[0])}
    return Turn(**values)


def ratios(cell: Cell, turns: Mapping[Cell, Sequence[Turn]]) -> dict[str, Estimate]:
    """Return each figure's ratio to propagation `disabled`, paired by round."""
    if cell.mode == DISABLED:
        return {}
    reference = turns[Cell(driver=cell.driver, route=cell.route, mode=DISABLED)]
    pairs = [(asdict(a), asdict(b)) for a, b in zip(turns[cell], reference, strict=True)]
    return {name: ratio([a[name] / b[name] for a, b in pairs]) for name in pairs[0][0]}


def _turn(server: Server, workers: Workers, cell: Cell, count: int) -> Turn:
    before = server.run_ns()
    done = workers.run(cell, Job(route=cell.route, executions=count))
    server_ns = max(1, server.run_ns() - before)
    return turn(done, server_ns)


def turn(done: Done, server_ns: int) -> Turn:
    """Return the figures of a turn."""
    count = len(done.latencies_s)
    percentiles = quantiles(done.latencies_s, n=100)
    return Turn(
        p50_ms=median(done.latencies_s) * MS_PER_S,
        p99_ms=percentiles[LAST_PERCENTILE] * MS_PER_S,
        client_cpu_us=done.cpu_s * US_PER_S / count,
        server_cpu_us=server_ns / NS_PER_US / count,
    )


def _see(server: Server, workers: Workers, cell: Cell, connection: Connection) -> Seen:
    log = _Log(Paths.of(server.settings).postgres / "data" / "log")
    workers.run(cell, Job(route=cell.route, executions=KNOCK))
    log.executions(KNOCK)
    rows(connection, "SELECT pg_stat_statements_reset()")
    done = workers.run(cell, Job(route=cell.route, executions=EXAMINED, spans=True))
    texts = log.executions(EXAMINED)
    [[entries, text_bytes, calls, plans]] = rows(connection, STATEMENTS_SEEN, [f"%{MARK}%"])
    return Seen(
        linked=linked(texts, done.spans),
        entries=entries,
        text_bytes=text_bytes,
        plans_reused=max(0.0, 1 - plans / calls) if calls else 0.0,
    )


class _Log:
    """The new lines of the server's JSON log, from its construction on."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._continue()

    def _continue(self) -> None:
        self._begin = {path: path.stat().st_size for path in self._directory.glob("*.json")}

    def executions(self, count: int) -> list[str]:
        """Wait until the log has so many further executions; return them, and continue after them."""
        await_state(
            f"the server's log has {count} executions",
            partial(self._missing, count),
            within_s=LOG_S,
        )
        found = list(executions(self._lines()))
        self._continue()
        return found

    def _missing(self, count: int) -> str | None:
        seen = len(list(executions(self._lines())))
        return None if seen >= count else f"{seen} executions"

    def _lines(self) -> Iterator[bytes]:
        for path in sorted(self._directory.glob("*.json")):
            with path.open("rb") as file:
                file.seek(self._begin.get(path, 0))
                yield from file


@contextmanager
def _observed(settings: LabSettings) -> Iterator[Connection]:
    """Log every statement, and count plans, while the block runs."""
    with connect(dsn(settings, Role.SUPERUSER)) as connection:
        for name, value in {
            "log_min_duration_statement": "0",
            "pg_stat_statements.track_planning": "on",
            "log_parameter_max_length": "0",
        }.items():
            rows(connection, f"ALTER SYSTEM SET {name} = {value}")
        rows(connection, "SELECT pg_reload_conf()")
        await_state("PostgreSQL logs each statement", partial(_setting, connection), within_s=LOG_S)
        yield connection


def _setting(connection: Connection) -> str | None:
    [[value]] = rows(connection, "SHOW log_min_duration_statement")
    return None if value == "0" else f"its threshold is {value}"
