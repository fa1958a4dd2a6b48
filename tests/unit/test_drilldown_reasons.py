"""Why a server time or a plan is absent, each reason at its bound; lock waits and their blockers."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.drilldown.evidence import Evidence
from lab.drilldown.reasons import NO_COMMENT, UNREAD, executions_missing, no_plan, no_time
from lab.drilldown.trace import Layer, TraceSpan
from lab.drilldown.waiting import blockers, locked_ms, waits
from lab.foundation.timestamps import moment
from lab.telemetry.store import Event, Reader
from tests import evidence as of
from tests.evidence import MS, START
from tests.fix_store import Store

STATEMENT = of.statement(1, at_ms=0, ms=300)
END = STATEMENT.start_ns + 300 * MS
LOG, PLAN = "log_min_duration_statement", "auto_explain.log_min_duration"
FAILED = "it failed, and of a failed statement PostgreSQL logs neither duration nor plan"
UNKNOWN = "PostgreSQL's log has no line of it; the value of {} is not known"
EACH = (
    "below {} on the server in each execution, unless its session has another setting: PostgreSQL's log was"
    " read beyond it, and has no line of it"
)


def span(ms: float = 300.0, **fields: Any) -> TraceSpan:
    known: dict[str, Any] = {
        "span_id": STATEMENT.span_id, "parent_id": None, "depth": 1, "layer": Layer.STATEMENT,
        "service": "postgres", "name": "postgres.query", "resource": "SELECT ?", "statement": None,
        "start": moment(STATEMENT.start_ns), "start_ms": 0.0, "self_ms": ms, "error": False,
        "tags": {"_dd.dbm_trace_injected": "true"},
    }  # fmt: skip
    return TraceSpan(duration_ms=ms, **{**known, **fields})


def evidence(settings: dict[str, str | None], *events: Event, read_until_ns: int = END) -> Evidence:
    return Evidence(
        reader=Reader(Path("none")), logged={}, plans={}, samples={}, settings=settings,
        events={STATEMENT.span_id: events}, read_until_ns=read_until_ns,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "of_span", "unread_ns", "reason"),
    [
        ("100", span(99.9, error=True), 0, FAILED),
        ("-1", span(), 0, f"{LOG} is -1: it is disabled"),
        ("300", span(299.9), 0, f"below {LOG} (300 ms)"),
        ("300", span(), 0, EACH.format(f"{LOG} (300 ms)")),
        ("100", span(tags={}), 60_000 * MS, NO_COMMENT),
        ("100", span(), 1_000, UNREAD),
        ("100", span(), 0, EACH.format(f"{LOG} (100 ms)")),
        ("0", span(), 0, f"PostgreSQL's log has no line of it, though {LOG} is 0: the reason is not known"),
        (None, span(), 0, UNKNOWN.format(LOG)),
        ("on", span(), 0, UNKNOWN.format(LOG)),
    ],
)  # fmt: skip
def test_why_the_log_has_no_time(
    value: str | None, of_span: TraceSpan, unread_ns: int, reason: str
) -> None:
    """The strongest reason first; the same reasons apply to a plan, by its own threshold."""
    read_until_ns = END - unread_ns
    assert no_time(evidence({LOG: value}, read_until_ns=read_until_ns), of_span) == reason
    of_plan = no_plan(evidence({PLAN: value}, read_until_ns=read_until_ns), of_span, None)
    assert of_plan == reason.replace(LOG, PLAN)


def test_executemany_may_have_more_executions_than_the_log() -> None:
    many = span(tags={"sql.executemany": "true"})
    assert executions_missing(evidence({LOG: "100"}), span()) is None
    words = "executemany: the log does not have executions below "
    assert executions_missing(evidence({LOG: "100"}), many) == f"{words}{LOG} (100 ms)"
    assert executions_missing(evidence({}), many) == f"{words}{LOG}"


@pytest.mark.parametrize(
    ("settings", "ms", "waited_ms", "reason"),
    [
        ({}, 300, 0, f"auto_explain logged none; the value of {PLAN} is not known"),
        ({PLAN: "-1"}, 300, 0, f"{PLAN} is -1: it is disabled"),
        ({PLAN: "200"}, 199.999, 0, f"below {PLAN} (200 ms)"),
        (
            {PLAN: "0", "auto_explain.sample_rate": "0.5"}, 300, 0,
            "auto_explain.sample_rate is 0.5: auto_explain logs only that share of the plans",
        ),
        (
            {PLAN: "200", "auto_explain.sample_rate": "1"}, 300, 101,
            (f"below {PLAN} (200 ms) without the lock wait of 101 ms: auto_explain does not count locks that"
            " are taken before execution"),
        ),
        (
            {PLAN: "200"}, 300, 100,
            (f"auto_explain logged none, though the server took 300 ms, above {PLAN} (200 ms); the reason is"
            " not known: auto_explain does not count parsing, planning, locks before execution, and commit"),
        ),
        (
            {PLAN: "200"}, 200, 0,
            (f"auto_explain logged none, though the server took 200 ms, above {PLAN} (200 ms); the reason is"
            " not known: auto_explain does not count parsing, planning, locks before execution, and commit"),
        ),
    ],
)  # fmt: skip
def test_why_a_logged_execution_has_no_plan(
    settings: dict[str, str | None], ms: float, waited_ms: float, reason: str
) -> None:
    """By the time of its message; only lock waits are subtracted from it."""
    other = replace(of.failed(STATEMENT, "x", "40P01"), duration_ns=290 * MS)
    wait = of.lock_wait(STATEMENT, ms=waited_ms, blocked_by=7)
    events = [other, replace(wait, kind="lock_acquired")] if waited_ms else [other]
    found = no_plan(evidence(settings, *events), span(), of.logged(STATEMENT, ms=ms))
    assert found == reason


@pytest.mark.parametrize(
    ("at_ns", "is_its"), [(-300 * MS, True), (-300 * MS - 1, False), (1_000 * MS, True), (1_001 * MS, False)]
)  # fmt: skip
def test_a_rejected_plan_is_that_of_the_message_around_it(at_ns: int, is_its: bool) -> None:
    """From the begin of the message to a second after its end; of the whole span without a message."""
    logged = of.logged(STATEMENT, ms=300)
    event = replace(of.rejected(STATEMENT, "too large"), at_ns=logged.at_ns + at_ns)
    known = evidence({PLAN: "200"}, of.failed(STATEMENT, "x", "40P01"), event)
    rejected = "auto_explain logged one, which is not stored: too large"
    assert (no_plan(known, span(), logged) == rejected) is is_its
    assert no_plan(known, span(), None) == rejected


def test_a_kind_of_statement_without_plans_is_named() -> None:
    found = no_plan(evidence({PLAN: "0"}), span(resource="vacuum customers"), None)
    assert found == "PostgreSQL does not plan statements of this kind (VACUUM)"


def lock(ms: float | None, waits_for: str = "ShareLock") -> Event:
    made = of.lock_wait(STATEMENT, ms=ms or 0, blocked_by=7)
    who = replace(made.participants[0], waits_for=waits_for)
    return replace(made, duration_ns=made.duration_ns if ms else None, participants=(who,))


def test_lock_waits_add_up_by_lock() -> None:
    """The longest of each lock counts; an event without a duration is a sign of a wait of unknown length."""
    assert locked_ms([]) is None
    assert locked_ms([lock(None)]) == 0.0
    assert locked_ms([lock(100), lock(250), lock(200), lock(30, "tuple")]) == 280.0
    assert locked_ms([lock(100)], within_ms=60.0) == 60.0
    nobody = [replace(lock(100), participants=()), replace(lock(50), participants=())]
    assert locked_ms(nobody) == 100.0


def test_the_time_between_samples_that_wait_for_a_lock_counts() -> None:
    """In the order of time, between two that wait; the log counts when it has a longer time."""
    kinds = [(0, "Lock"), (900, None), (100, "Lock"), (250, "Lock"), (1_000, "Lock")]
    samples = [
        of.sample(STATEMENT, at_ns=START + ms * MS, wait_event_type=kind) for ms, kind in kinds
    ]
    assert locked_ms([], samples) == 250.0
    assert locked_ms([lock(100)], samples) == 250.0
    assert locked_ms([lock(300)], samples) == 300.0
    assert locked_ms([], samples[:2]) is None


def test_wait_events_are_counted_the_most_frequent_first() -> None:
    pairs = [(None, None), ("IO", "DataFileRead"), ("IO", "DataFileRead"), ("LWLock", None)]
    samples = [
        of.sample(STATEMENT, at_ns=START, wait_event_type=kind, wait_event=event)
        for kind, event in pairs
    ]
    found = [(each.type, each.event, each.samples) for each in waits(samples)]
    assert found == [("IO", "DataFileRead", 2), ("CPU", "CPU", 1), ("LWLock", "CPU", 1)]


def chain(store: Store, rounds: int) -> Sequence[tuple[int, int, bool, str | None]]:
    """Store rounds in which 42 waits for 77, and 77 for 88; return the blockers of 42."""
    blocked = [
        of.sample(STATEMENT, at_ns=START + n * 1_000 * MS, blocking_pids=(77,))
        for n in range(rounds)
    ]
    others = [
        each
        for one in blocked
        for each in (
            of.sample(None, at_ns=one.at_ns, pid=77, blocking_pids=(88,)),
            of.sample(None, at_ns=one.at_ns, pid=88, application="psql", role="lab"),
        )
    ]
    store.writer.commit([*blocked, *others], timeout_s=60)
    found = blockers(store.reader, blocked, [of.lock_wait(STATEMENT, ms=1, blocked_by=99)])
    return [(each.pid, each.samples, each.root, each.application) for each in found]


@pytest.mark.parametrize(("rounds", "of_head"), [(1, 1), (20, 20), (21, 22), (41, 42)])
def test_heads_of_chains_are_estimated_from_twenty_samples(
    store: Store, rounds: int, of_head: int
) -> None:
    """Blockers of the samples first, then the heads of their chains, then those that only the log has."""
    assert chain(store, rounds) == [
        (77, rounds, False, "credit-risk"), (88, of_head, True, "psql"), (99, 0, False, None),
    ]  # fmt: skip
