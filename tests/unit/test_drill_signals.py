"""Which records each signal of a drill counts: one that it counts, and others that differ in one field."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from lab.drills.catalogue import DRILLS
from lab.judge.signals import Deltas, Events, Resources, Sessions, Spans
from lab.telemetry.store import Event
from tests import evidence as of
from tests.evidence import MS, START

S = 1_000_000_000
ROOT = of.root(1)
SQL = of.statement(1)
FAILED = replace(SQL, error=True)
ACTIVE = of.sample(None, at_ns=START + 10 * S, query_start_ns=START)
IDLE = replace(
    ACTIVE, state="idle in transaction", xact_start_ns=ACTIVE.at_ns - 5 * S - 1, query_start_ns=None
)
LOG: Event = of.failed(SQL, "x", "40P01")


def event(kind: str, **fields: Any) -> Event:
    return replace(LOG, kind=kind, **fields)


LEFT = event("autovacuum", relation="public.customers", figures={"dead": 1.0})
BLOCKED = replace(ACTIVE, blocking_pids=(7,))
# By drill and the beginning of the signal's words: what it counts, and what it does not.
CASES: Mapping[tuple[str, str], tuple[list[Any], list[Any]]] = {
    ("cpu-bound-sql", "active sessions"): (
        [ACTIVE],
        [
            replace(ACTIVE, state="idle"), replace(ACTIVE, wait_event="ClientRead"),
            replace(ACTIVE, backend_type="walwriter"),
        ],
    ),
    ("checkpoint-pressure", "checkpoints"): ([event("checkpoint")], [event("autovacuum")]),
    ("work-mem-spill", "temporary files"): ([event("temp_file")], [event("checkpoint")]),
    ("row-lock-chain", "sessions with"): ([BLOCKED], [ACTIVE]),
    ("row-lock-chain", "operations"): ([ROOT], [SQL]),
    ("row-lock-chain", "lock waits"): ([event("lock_wait")], [event("deadlock")]),
    ("slow-application", "ms of operations"): ([ROOT], [SQL]),
    ("connection-exhaustion", "refusals"): ([replace(LOG, sqlstate="53300")], [LOG]),
    ("cache-eviction", "sessions that"): (
        [replace(ACTIVE, wait_event="DataFileRead")], [ACTIVE, replace(ACTIVE, wait_event="tuple")],
    ),
    ("deadlocks", "deadlocks"): ([event("deadlock")], [event("lock_wait")]),
    ("deadlocks", "failed spans"): ([FAILED], [SQL, replace(ROOT, error=True)]),
    ("ddl-queue", "sessions with"): ([BLOCKED], [ACTIVE]),
    ("ddl-queue", "failed spans"): ([FAILED], [SQL, replace(ROOT, error=True)]),
    ("ddl-queue", "lock waits"): ([event("lock_wait")], [event("deadlock")]),
    ("rollback-storm", "ROLLBACKs"): (
        [replace(SQL, resource="ROLLBACK"), replace(SQL, name="psycopg2.connection.rollback")],
        [SQL, replace(SQL, resource="COMMIT")],
    ),
    ("postgres-restart", "failed operations"): (
        [replace(ROOT, error=True)], [ROOT, FAILED, SQL],
    ),
    ("postgres-restart", "the log"): ([event("server")], [event("error")]),
    ("held-snapshot", "vacuums"): (
        [LEFT],
        [
            replace(LEFT, kind="checkpoint"), replace(LEFT, relation="public.contracts"),
            replace(LEFT, relation=None), replace(LEFT, figures={"dead": 0.0}), replace(LEFT, figures={}),
        ],
    ),
    **{
        (name, "sessions idle"): (
            [IDLE, replace(IDLE, state="idle in transaction (aborted)")],
            [
                replace(IDLE, state="active"), replace(IDLE, state=None), replace(IDLE, xact_start_ns=None),
                replace(IDLE, xact_start_ns=IDLE.at_ns - 5 * S),
            ],
        )
        for name in ("held-snapshot", "idle-in-transaction")
    },
}  # fmt: skip


@pytest.mark.parametrize(("drill", "words"), CASES)
def test_a_signal_counts_what_its_words_say(drill: str, words: str) -> None:
    signals = [
        one for one in DRILLS[drill].signals
        if isinstance(one, Sessions | Spans | Events | Resources) and one.says.startswith(words)
    ]  # fmt: skip
    assert signals, [one.says for one in DRILLS[drill].signals]
    counted, others = CASES[drill, words]
    for signal in signals:
        assert [bool(signal.like(one)) for one in counted] == [True] * len(counted)
        assert [bool(signal.like(one)) for one in others] == [False] * len(others)


def test_long_statements_are_those_at_work_for_longer() -> None:
    """Of clients, and of an execution whose begin is known."""
    for name in ("cpu-bound-sql", "stale-statistics", "missing-index"):
        for signal in DRILLS[name].signals if name in DRILLS else ():
            if not isinstance(signal, Sessions) or not signal.says.startswith("sessions at one"):
                continue
            ms = float(signal.says.rpartition(" for ")[2].removesuffix(" ms"))
            at_limit = replace(ACTIVE, query_start_ns=ACTIVE.at_ns - round(ms * MS))
            longer = replace(at_limit, query_start_ns=at_limit.query_start_ns - 1)  # type: ignore[operator]
            assert signal.like(longer)
            for other in (
                at_limit, replace(longer, query_start_ns=None), replace(longer, state="idle"),
                replace(longer, backend_type="autovacuum worker"),
            ):  # fmt: skip
                assert not signal.like(other)


@pytest.mark.parametrize("drill", DRILLS.values(), ids=lambda one: one.name)
def test_deltas_measure_one_column_of_the_application(drill: Any) -> None:
    """A statement of another role, or one that is executed rarely, does not count where time is measured."""
    amounts = {
        "calls": 3, "rows": 5, "exec_time_ms": 7.0, "wal_bytes": 11, "temp_blks_written": 13,
        "shared_blks_read": 17,
    }  # fmt: skip
    words = {
        "ms of": 7.0, "calls": 3.0, "rows": 5.0, "WAL": 11.0, "temporary blocks": 13.0, "blocks read": 17.0,
    }  # fmt: skip
    delta = of.deltas(1, **amounts)
    for signal in drill.signals:
        if isinstance(signal, Deltas):
            [expected] = [value for word, value in words.items() if signal.says.startswith(word)]
            assert signal.measure(delta) == expected, signal.says
            if signal.says.startswith("ms of"):
                assert signal.measure(replace(delta, role="postgres_exporter")) == 0.0
                assert signal.measure(replace(delta, calls=2)) == 7.0
                assert signal.measure(replace(delta, calls=1)) == 0.0
        if isinstance(signal, Resources) and signal.says.startswith("spans in"):
            assert signal.measure(SQL) == 1.0


def test_every_drill_has_a_place_of_its_own() -> None:
    places = [drill.place for drill in DRILLS.values()]
    assert sorted(set(places)) == sorted(places)
    assert all(drill.duration_s > 0 for drill in DRILLS.values())
