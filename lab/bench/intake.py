"""`bench intake`: intake throughput of the console on one core, in spans and log lines, and its memory.

The benchmark starts a console on a free port and in a temporary directory, pinned to one core; the
payloads are created before the measurement. Figures are per second of CPU time and of wall time, because
other work on the machine reduces the latter.
"""

import http.client
import json
import random
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from lab.bench.cost.reading import bytes_of_spans
from lab.bench.grid import grid
from lab.bench.machine import publish, watched
from lab.bench.own_console import OwnConsole, own_console
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.readiness import await_state
from lab.foundation.timestamps import NS_PER_S
from lab.stack.native.process_cost import cost_of
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson
from workload import __version__
from workload.statements import STATEMENTS

SPANS_STORED = "SELECT max(id) FROM spans"
LINES_STORED = "SELECT (SELECT count(*) FROM executions) + (SELECT count(*) FROM plans)"
POLL_EVERY_S = 0.05
ANSWER_S = 60
FINISH_S = 300
MSGPACK = {"Content-Type": "application/msgpack"}
SPANS_PER_TRACE = 5
TRACES_PER_PAYLOAD = 40
PLAN_EVERY = 10
# Different numbers of returned rows.
MOST_ROWS = 20
MB = 1_000_000
# CPU time is measured, which waiting does not change.
CLAIM = 0.1


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run.

    Attributes:
        spans_per_cpu_s, log_lines_per_cpu_s: per second of the console's CPU time.
        rss_mb, peak_rss_mb: resident memory in megabytes, at the end and at most.
        span_bytes: of a span in the store with its indexes; None where SQLite has no dbstat.
    """

    spans: int
    spans_per_s: float
    spans_per_cpu_s: float
    log_lines: int
    log_lines_per_s: float
    log_lines_per_cpu_s: float
    rss_mb: float
    peak_rss_mb: float
    span_bytes: float | None


def intake(
    spans: Annotated[
        int, typer.Option(help="Number of spans to send.", min=1_000, max=100_000_000)
    ] = 100_000,
    lines: Annotated[
        int, typer.Option(help="Number of log lines to write.", min=100, max=100_000_000)
    ] = 20_000,
    as_json: AsJson = False,
) -> None:
    """Measure the intake throughput of a separate console, in spans and log lines."""
    with interruptible(), watched(CLAIM) as watch:
        result = measure(spans, lines)
    publish(watch, asdict(result), lambda: _table(result), as_json=as_json)


def measure(spans: int, lines: int) -> Result:
    """Measure both, one after the other.

    Raises:
        LabError: when the console does not start, refuses, or does not finish in time.
    """
    payloads = list(_payloads(spans))
    text = b"".join(_log_lines(lines))
    with (
        tempfile.TemporaryDirectory(prefix="creditlab-bench-") as directory,
        own_console(Path(directory), log=_log_directory(Path(directory))) as console,
    ):
        # The last core; the sender uses the others.
        console.process.cpu_affinity([max(console.process.cpu_affinity() or [0])])
        log = console.log / "postgresql-00.json"
        sent = len(payloads) * TRACES_PER_PAYLOAD * SPANS_PER_TRACE
        spans_s, spans_cpu = _timed(console, lambda: _send(console, payloads), SPANS_STORED, sent)
        lines_s, lines_cpu = _timed(console, lambda: _write(log, text), LINES_STORED, lines)
        return Result(
            spans=sent,
            spans_per_s=sent / spans_s,
            spans_per_cpu_s=sent / spans_cpu,
            log_lines=lines,
            log_lines_per_s=lines / lines_s,
            log_lines_per_cpu_s=lines / lines_cpu,
            rss_mb=cost_of(console.process).resident / MB,
            peak_rss_mb=_peak_bytes(console.process.pid) / MB,
            span_bytes=bytes_of_spans(console.store),
        )


def _peak_bytes(pid: int) -> int:
    """Return the maximum of a process' resident memory since its start."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    [peak] = re.findall(r"^VmHWM:\s+([0-9]+) kB$", status, re.MULTILINE)
    return int(peak) * 1024


def _log_directory(state: Path) -> Path:
    directory = state / "log"
    directory.mkdir()
    return directory


def _timed(
    console: OwnConsole, work: Callable[[], None], stored: str, wanted: int
) -> tuple[float, float]:
    """Return wall and CPU seconds until the given number of records is in the store."""
    begun, cpu = monotonic(), _cpu_s(console)
    work()
    polls = threading.Event()
    # Read from the file, not from the console: an answer would add to the measured time.
    while (seen := console.store.rows(stored)[0][0] or 0) < wanted:
        if monotonic() - begun > FINISH_S:
            raise LabError(f"{seen} of {wanted} records were stored after {FINISH_S} s.")
        polls.wait(POLL_EVERY_S)
    return monotonic() - begun, _cpu_s(console) - cpu


def _cpu_s(console: OwnConsole) -> float:
    return cost_of(console.process).cpu_s


def _send(console: OwnConsole, payloads: list[bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=ANSWER_S)
    try:
        for payload in payloads:
            await_state(
                "the intake accepts a payload",
                partial(_refusal, connection, payload),
                within_s=FINISH_S,
            )
    finally:
        connection.close()


def _refusal(connection: http.client.HTTPConnection, payload: bytes) -> str | None:
    """Send a payload; return the reason for a retry, such as a full write queue."""
    connection.request("POST", "/v0.5/traces", payload, MSGPACK)
    response = connection.getresponse()
    response.read()
    if response.status not in {http.client.OK, http.client.TOO_MANY_REQUESTS}:
        raise LabError(f"The intake refused a payload with status {response.status}.")
    return None if response.status == http.client.OK else f"status {response.status}"


def _write(log: Path, text: bytes) -> None:
    with log.open("ab") as file:
        file.write(text)


def _payloads(spans: int) -> Iterator[bytes]:
    """Yield payloads in format v0.5, of traces like the services': a root span and its statements."""
    rng = random.Random(15)
    names = sorted(STATEMENTS)
    for _ in range(max(1, round(spans / (TRACES_PER_PAYLOAD * SPANS_PER_TRACE)))):
        strings: dict[str, int] = {"": 0}

        def index(text: str, table: dict[str, int] = strings) -> int:
            return table.setdefault(text, len(table))

        chunks = [_trace(rng, names, index) for _ in range(TRACES_PER_PAYLOAD)]
        yield msgspec.msgpack.encode([list(strings), chunks])


def _trace(rng: random.Random, names: list[str], index: Callable[[str], int]) -> list[list[object]]:
    trace_id = rng.getrandbits(64) | 1
    root = rng.getrandbits(64) | 1
    start = clock.now_ns() - rng.randrange(10**9)
    meta = {
        # The high half of a trace id, as ddtrace's: seconds since 1970, and zeros.
        "_dd.p.tid": f"{start // NS_PER_S:08x}00000000", "_dd.p.dm": "-0", "language": "python", "env": "lab",
        "runtime-id": "5930500ad4514dc488dc323f054c2c9a", "credit.outcome": "ok", "version": __version__,
    }  # fmt: skip
    rows = [_row(index, "operation", "worker", (trace_id, root, 0, start), meta)]
    for offset in range(SPANS_PER_TRACE - 1):
        statement = STATEMENTS[rng.choice(names)]
        meta = {
            "component": "psycopg", "span.kind": "client", "db.system": "postgresql", "db.name": "creditdb",
            "db.user": "credit_app", "network.destination.name": "127.0.0.1", "env": "lab",
            "_dd.base_service": statement.service, "db.application": "credit", "version": __version__,
        }  # fmt: skip
        ids = (trace_id, rng.getrandbits(64) | 1, root, start + offset)
        rows.append(_row(index, statement.sql, "sql", ids, meta))
    return rows


def _row(
    index: Callable[[str], int],
    resource: str,
    kind: str,
    ids: tuple[int, int, int, int],
    meta: dict[str, str],
) -> list[object]:
    row_count = float(ids[1] % MOST_ROWS)
    metrics = {"_sampling_priority_v1": 1.0, "_dd.measured": 1.0, "db.row_count": row_count}
    return [
        index("credit-servicing"),
        index("postgres.query" if kind == "sql" else "credit.operation"),
        index(resource),
        *ids,
        1_500_000,
        0,
        {index(k): index(v) for k, v in meta.items()},
        {index(k): v for k, v in metrics.items()},
        index(kind),
    ]


def _log_lines(count: int) -> Iterator[bytes]:
    """Yield lines of jsonlog: executions, and some plans."""
    rng = random.Random(15)
    statements = list(STATEMENTS.values())
    for number in range(count):
        written = clock.now()
        statement = rng.choice(statements)
        ids = f"{rng.getrandbits(128) | 1:032x}-{rng.getrandbits(64) | 1:016x}"
        text = f"/*ddps='{statement.service}',dde='lab',traceparent='00-{ids}-01'*/ {statement.sql}"
        message = f"duration: {rng.uniform(100, 900):.3f} ms  statement: {text}"
        if number % PLAN_EVERY == 0:
            nodes = [{"Node Type": "Index Scan", "Index Cond": "(a = '1'::text)"} for _ in range(8)]
            plan = {"Query Text": text, "Plan": {"Node Type": "Hash Join", "Plans": nodes}}
            message = f"duration: 250.000 ms  plan:\n{json.dumps(plan, indent=1)}"
        line = {
            "timestamp": f"{written:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC",
            "user": "credit_app", "dbname": "creditdb",
            "pid": 4711, "remote_host": "127.0.0.1", "session_id": "6740.1", "line_num": number,
            "ps": "SELECT", "error_severity": "LOG", "message": message,
            "application_name": statement.service, "backend_type": "client backend",
            "query_id": rng.getrandbits(40),
        }  # fmt: skip
        yield json.dumps(line).encode() + b"\n"


def _table(result: Result) -> Table:
    each = "" if result.span_bytes is None else f"; {result.span_bytes:.0f} bytes per span"
    title = (
        f"The console on one core, {result.rss_mb:.0f} MB (peak {result.peak_rss_mb:.0f} MB){each}"
    )
    table = grid(title, "count", "per second", "per second of processor time")
    for name, count, rate, cpu_rate in (
        ("spans", result.spans, result.spans_per_s, result.spans_per_cpu_s),
        ("log lines", result.log_lines, result.log_lines_per_s, result.log_lines_per_cpu_s),
    ):
        table.add_row(name, f"{count:,}", f"{rate:,.0f}", f"{cpu_rate:,.0f}")
    return table
