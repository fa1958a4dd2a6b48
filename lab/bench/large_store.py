"""A large store, as after some hours of load, written directly: to measure its readers."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from lab.foundation import clock
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.store import (
    ActivityRound,
    ActivitySample,
    Bounds,
    Execution,
    Plan,
    QueryMetrics,
    Record,
    Source,
    Span,
    Statement,
    Writer,
)
from lab.telemetry.store.writer import Uncounted
from workload import __version__, statements

# A root span and four statements.
SPANS_PER_TRACE = 5
# The rate of the default load, as in `./creditlab status`.
SPANS_PER_S = 93
METRICS_EVERY_S = 10
SLOW_EVERY = 200
ERROR_SHARE = 0.01
BATCH = 10_000
WRITE_S = 120.0
FIRST_QUERYID = 1000
WAITS = ((None, None), ("IO", "DataFileRead"), ("LWLock", "WALWrite"), ("Lock", "transactionid"))
PLAN = json.dumps({
    "Plan": {
        "Node Type": "Hash Join", "Startup Cost": 1.0, "Total Cost": 900.0, "Plan Rows": 10,
        "Actual Rows": 5000, "Actual Loops": 1, "Actual Startup Time": 1.0, "Actual Total Time": 240.0,
        "Plans": [
            {
                "Node Type": "Seq Scan", "Relation Name": "installments", "Alias": "i",
                "Startup Cost": 0.0, "Total Cost": 800.0, "Plan Rows": 10, "Actual Rows": 5000,
                "Actual Loops": 1, "Actual Startup Time": 0.1, "Actual Total Time": 200.0,
                "Filter": "(status = ?)", "Rows Removed by Filter": 90000,
            }
        ],
    }
})  # fmt: skip

# A queryid and its statement.
Known: TypeAlias = tuple[int, statements.Statement]


def fill(store: Path, spans: int) -> Execution:
    """Write the given number of spans and the records that belong to them, up to now.

    Returns:
        One of its executions; its span and its plan are in the store as well.

    Raises:
        StoreError: when the file cannot be written.
    """
    last: Execution | None = None
    batch: list[Record] = []
    bounds = Bounds(age_ns=24 * 3600 * NS_PER_S, size_bytes=10**11)
    with Writer(store, bounds, Uncounted()) as writer:
        for record in _records(spans):
            batch.append(record)
            if isinstance(record, Execution):
                last = record
            if len(batch) == BATCH:
                writer.commit(batch, timeout_s=WRITE_S)
                batch = []
        writer.commit(batch, timeout_s=WRITE_S)
    assert last
    return last


def _records(spans: int) -> Iterator[Record]:
    """Traces at equal intervals, slow ones with logged plans; a lab's sample each second, DBM's every ten."""
    rng = random.Random(15)
    known = list(enumerate(statements.STATEMENTS.values(), FIRST_QUERYID))
    now_ns = clock.now_ns()
    traces, seconds = max(spans // SPANS_PER_TRACE, 1), max(spans // SPANS_PER_S, 1)
    begin_ns = now_ns - seconds * NS_PER_S
    for queryid, statement in known:
        yield Statement(
            key=str(queryid), queryid=queryid, signature=None, name=statement.name,
            owner=statement.service, text=statement.sql, seen_ns=now_ns,
        )  # fmt: skip
    for number in range(traces):
        at_ns = begin_ns + number * seconds * NS_PER_S // traces
        # Counted from the end, so that even the smallest store has a slow and a recent one.
        yield from _trace(rng, known, at_ns, slow=(traces - 1 - number) % SLOW_EVERY == 0)
    for second in range(seconds):
        at_ns = begin_ns + second * NS_PER_S
        yield ActivityRound(at_ns=at_ns, source=Source.LAB, interval_s=1.0, sessions=1)
        yield _sample(rng, rng.choice(known), at_ns, Source.LAB)
        if second % METRICS_EVERY_S == 0:
            yield ActivityRound(
                at_ns=at_ns, source=Source.EMBEDDED, interval_s=METRICS_EVERY_S, sessions=1
            )
            yield _sample(rng, rng.choice(known), at_ns, Source.EMBEDDED)
            yield from (_deltas(rng, queryid, at_ns) for queryid, _ in known)


def _trace(rng: random.Random, known: list[Known], at_ns: int, *, slow: bool) -> Iterator[Record]:
    trace_id, root = f"{rng.getrandbits(128) | 1:032x}", f"{rng.getrandbits(64) | 1:016x}"
    picked = [rng.choice(known) for _ in range(SPANS_PER_TRACE - 1)]
    service = picked[0][1].service
    length_ns = rng.randrange(900_000_000, 1_500_000_000) if slow else rng.randrange(10**7, 10**8)
    yield Span(
        trace_id=trace_id, span_id=root, parent_id=None, service=service, name="credit.operation",
        resource=picked[0][1].name, kind="worker", start_ns=at_ns, duration_ns=length_ns,
        error=rng.random() < ERROR_SHARE, tags={"env": "lab", "version": __version__, "credit.outcome": "ok"},
    )  # fmt: skip
    part_ns = length_ns // SPANS_PER_TRACE
    for number, (queryid, statement) in enumerate(picked):
        begin_ns, span_id = at_ns + (number + 1) * part_ns, f"{rng.getrandbits(64) | 1:016x}"
        yield Span(
            trace_id=trace_id, span_id=span_id, parent_id=root, service="postgres",
            name="postgres.query", resource=statement.sql, kind="sql", start_ns=begin_ns,
            duration_ns=part_ns, error=False,
            tags={"component": "psycopg", "db.system": "postgresql", "db.name": "creditdb", "env": "lab"},
        )  # fmt: skip
        if slow:
            execution = Execution(
                at_ns=begin_ns + part_ns, source=Source.LOG, duration_ns=part_ns, queryid=queryid,
                trace_id=trace_id, span_id=span_id, service=service, statement=statement.name, pid=4711,
                database="creditdb", role="credit_app", application=service,
            )  # fmt: skip
            yield execution
            yield Plan(
                at_ns=execution.at_ns, source=Source.LOG, executed=True, duration_ns=part_ns,
                queryid=queryid, signature=None, trace_id=trace_id, span_id=span_id, service=service,
                statement=statement.name, pid=4711, database="creditdb", shape="5b26f8104e41a836",
                definition=PLAN,
            )  # fmt: skip


def _sample(rng: random.Random, which: Known, at_ns: int, source: Source) -> ActivitySample:
    queryid, statement = which
    wait_type, event = rng.choice(WAITS)
    return ActivitySample(
        at_ns=at_ns, source=source, pid=rng.randrange(1000, 1040), database="creditdb",
        role="credit_app", application=statement.service, backend_type="client backend", state="active",
        wait_event_type=wait_type, wait_event=event, queryid=queryid, signature=None,
        trace_id=None, span_id=None, service=statement.service, statement=statement.name,
        query_start_ns=at_ns - 10**6, xact_start_ns=at_ns - 10**6, blocking_pids=(),
    )  # fmt: skip


def _deltas(rng: random.Random, queryid: int, at_ns: int) -> QueryMetrics:
    calls = rng.randrange(1, 400)
    return QueryMetrics(
        at_ns=at_ns, source=Source.EMBEDDED, database="creditdb", role="credit_app",
        signature=f"{queryid:016x}", queryid=queryid, calls=calls, rows=calls * 2,
        exec_time_ms=calls * rng.uniform(0.05, 2.0), plan_time_ms=0.0, blk_read_time_ms=0.1,
        blk_write_time_ms=0.0, shared_blks_hit=calls * 8, shared_blks_read=calls // 50,
        shared_blks_dirtied=calls, shared_blks_written=0, temp_blks_read=0, temp_blks_written=0,
        wal_bytes=calls * 300,
    )  # fmt: skip
