"""The diagnosers' rules of activity samples and log lines, and how the suspicions of observers are joined."""

from typing import Any

import pytest

from lab.exam.diagnosers import diagnose
from lab.exam.doors import Door
from lab.exam.evidence import Table
from lab.exam.form import MOST_EVIDENCE, Answer
from lab.exam.vocabulary import SERVICES
from tests.exam_tables import AT, EVENTS, NOTHING, Found, event, first, of_log, table


def of_metrics(
    *, calls: int = 1, each_ms: float = 0.0, temp: int = 0, wal: int = 0, who: str = "back-office"
) -> Answer:
    """Return the answer of Datadog's rules for one statement beside an ordinary activity sample."""
    metrics = table(
        "statement,service,queryid,calls,ms per call,temp blocks,WAL bytes",
        ("a_month", who, "7", calls, each_ms, temp, wal),
    )
    return diagnose({Door.DATADOG: [metrics, samples(sample(1))]})


@pytest.mark.parametrize(
    ("figures", "kind", "confidence"),
    [
        ({"temp": 501, "wal": 30_000_001}, "work-mem-spill", 0.9),
        ({"temp": 500, "wal": 30_000_001}, "checkpoint-pressure", 0.8),
        ({"wal": 30_000_000}, "nothing", 0.5),
        ({"calls": 1501, "each_ms": 0.9}, "n-plus-one", 0.7),
        ({"calls": 1501, "each_ms": 1.0}, "burst", 0.5),
        ({"calls": 1500, "each_ms": 0.9}, "burst", 0.5),
        ({"calls": 201, "each_ms": 19.9}, "burst", 0.5),
        ({"calls": 201, "each_ms": 20.0}, "sequential-scans", 0.5),
        ({"calls": 200, "each_ms": 0.9}, "nothing", 0.5),
        ({"calls": 200, "each_ms": 251.0}, "slow-query", 0.6),
        ({"calls": 200, "each_ms": 250.0}, "sequential-scans", 0.5),
        ({"calls": 200, "each_ms": 5.1}, "sequential-scans", 0.5),
        ({"calls": 200, "each_ms": 5.0}, "nothing", 0.5),
    ],
)
def test_a_statements_figures_decide_its_fault(
    figures: dict[str, Any], kind: str, confidence: float
) -> None:
    """Temporary blocks first, then WAL, calls and time: what exceeds a threshold, not what equals it."""
    answer = of_metrics(**figures)
    known = kind != "nothing"
    assert first(answer) == (
        kind,
        "a_month" if known else "",
        "back-office" if known else "",
        confidence,
    )
    assert answer.evidence == (("plan:7",) if known else ())


@pytest.mark.parametrize("who", [*SERVICES, "shared", ""])
def test_statements_of_the_five_services_are_not_suspected(who: str) -> None:
    assert first(of_metrics(temp=9_000, who=who)) == NOTHING


def sample(
    pid: int,
    *,
    state: str = "active",
    blocked_by: str = "[]",
    waits: str = "",
    open_s: float | None = 0.0,
    who: str = "partner-sync",
) -> tuple[Any, ...]:
    return pid, who, state, waits, f"statement_{pid}", blocked_by, open_s


def samples(*rows: tuple[Any, ...]) -> Table:
    return table("pid,application,state,waits for,statement,blocked by,transaction s", *rows)


def of_samples(*rows: tuple[Any, ...]) -> Answer:
    return diagnose({Door.DATADOG: [table("statement,service"), samples(*rows)]})


@pytest.mark.parametrize(
    ("state", "open_s", "found"),
    [
        ("idle in transaction", 5.1, ("idle-in-transaction", "statement_1", "partner-sync", 0.7)),
        ("idle in transaction (aborted)", 9.0, ("idle-in-transaction", "statement_1", "partner-sync", 0.7)),
        ("idle in transaction", 5.0, NOTHING),
        ("idle in transaction", None, NOTHING),
        ("active", 9.0, NOTHING),
    ],
)  # fmt: skip
def test_an_idle_session_with_an_open_transaction_is_suspected_after_five_seconds(
    state: str, open_s: float | None, found: Found
) -> None:
    assert first(of_samples(sample(1, state=state, open_s=open_s))) == found


@pytest.mark.parametrize(("count", "who", "found"), [
    (16, "billing-batch", ("connection-exhaustion", "credit_app", "billing-batch", 0.8)),
    (15, "billing-batch", NOTHING),
    (40, "credit-risk", NOTHING),
])  # fmt: skip
def test_more_than_fifteen_sessions_of_another_application_exhaust_the_role(
    count: int, who: str, found: Found
) -> None:
    assert first(of_samples(*(sample(pid, who=who) for pid in range(count)))) == found


HEAD = sample(10, state="idle in transaction", who="branch-portal")


@pytest.mark.parametrize(
    ("waiting", "kind", "chain"),
    [
        ([sample(11, blocked_by="[10]"), sample(12, blocked_by="[11]")], "row-lock-chain", ("11", "10")),
        ([sample(11, blocked_by="[10]"), sample(12, blocked_by="[10]")], "idle-in-transaction", ("11", "10")),
        (
            [sample(11, blocked_by="[10]", waits="Lock/relation"), sample(12, blocked_by="[11, 10]")],
            "ddl-queue", ("11", "10"),
        ),
    ],
)  # fmt: skip
def test_how_sessions_wait_names_the_kind_of_lock_and_its_head(
    waiting: list[tuple[Any, ...]], kind: str, chain: tuple[str, ...]
) -> None:
    """One behind the other: a chain; all behind one: its open transaction; for a table: a change of it."""
    answer = of_samples(HEAD, *waiting)
    assert first(answer) == (kind, "statement_10", "branch-portal", 0.9)
    assert answer.findings[0].chain == chain
    assert answer.evidence[:2] == ("sample:10", "sample:11")


def test_the_session_that_blocks_most_others_is_the_head() -> None:
    """A head that is not in the sample is named by its pid; one waiting session is ordinary."""
    answer = of_samples(
        sample(1, blocked_by="[8]"), sample(2, blocked_by="[9]"), sample(3, blocked_by="[9]")
    )
    assert first(answer) == ("idle-in-transaction", "", "9", 0.9)
    assert answer.findings[0].chain == ("2", "9")
    assert first(of_samples(sample(1, blocked_by="[8]"))) == NOTHING


@pytest.mark.parametrize(
    ("logged", "found"),
    [
        (event("deadlock"), ("deadlocks", "partner_merge", "partner-sync", 0.95)),
        (event("temp_file"), ("work-mem-spill", "partner_merge", "partner-sync", 0.9)),
        (event("temp_file", who="credit-risk"), NOTHING),
        (event("lock_wait", message="waits for AccessExclusiveLock on relation 1"),
         ("ddl-queue", "partner_merge", "partner-sync", 0.75)),
        (event("lock_wait", message="waits for ShareLock on transaction 1"),
         ("row-lock-chain", "partner_merge", "partner-sync", 0.75)),
        (event("error", code="53300"), ("connection-exhaustion", "credit_app", "", 0.85)),
        (event("error", code="57014"), NOTHING),
    ],
)  # fmt: skip
def test_a_line_of_the_log_suggests_its_fault(logged: tuple[Any, ...], found: Found) -> None:
    answer = of_log(logged)
    assert first(answer) == found
    assert answer.evidence == (() if found == NOTHING else (f"log:{AT}",))


def test_the_log_counts_checkpoints_and_the_time_of_executions() -> None:
    """Five checkpoints in the table are many, four are not; an execution is slow above 250 ms."""
    assert first(of_log(*[event("checkpoint")] * 5)) == ("checkpoint-pressure", "", "", 0.7)
    assert first(of_log(*[event("checkpoint")] * 4)) == NOTHING

    def executed(ms: float, who: str = "back-office") -> Answer:
        columns = "time,application,statement,queryid,ms"
        row = (AT, who, "back_offers", "-7", ms)
        return diagnose({Door.LOG: [table("time"), table(columns, row)]})

    assert first(executed(250.1)) == ("slow-query", "back_offers", "back-office", 0.6)
    assert executed(250.1).evidence == (f"log:{AT}", "plan:-7")
    assert first(executed(250.0)) == first(executed(900.0, "credit-risk")) == NOTHING


def test_a_second_observer_adds_a_tenth_and_completes_the_fields() -> None:
    """The fields of the surer one are kept; certainty is 95 % at most."""
    spill = table("labels,value", ("alertname=TempFileSpill, alertstate=pending", 1.0))
    both = {Door.LOG: [table(EVENTS,
                             event("temp_file", who="back-office"))],
            Door.PROMETHEUS: [spill]}  # fmt: skip
    answer = diagnose(both)
    assert first(answer) == ("work-mem-spill", "partner_merge", "back-office", 0.95)
    waits = event("lock_wait", message="ShareLock", who="")
    blocked = table(
        "labels,value", ("alertname=SessionsBlocked, alertstate=firing, service=a", 1.0)
    )
    joined = diagnose({
        Door.LOG: [table(EVENTS, waits)],
        Door.PROMETHEUS: [blocked],
    })  # fmt: skip
    assert first(joined) == ("row-lock-chain", "partner_merge", "a", 0.85)


@pytest.mark.parametrize(
    ("second", "kinds"),
    [
        (event("error", code="53300"), ["deadlocks", "connection-exhaustion"]),
        (event("lock_wait"), ["deadlocks"]),
    ],
)
def test_a_second_finding_needs_a_weight_of_eight_tenths(
    second: tuple[Any, ...], kinds: list[str]
) -> None:
    answer = of_log(event("deadlock"), second)
    assert [finding.kind for finding in answer.findings] == kinds
    assert answer.confidence == 0.95


def test_the_answer_names_half_of_the_references_that_the_form_takes() -> None:
    rows = [(f"2026-11-28T19:03:{second:02}", *event("deadlock")[1:]) for second in range(20)]
    answer = diagnose({Door.LOG: [table(EVENTS, *rows)]})
    assert answer.evidence == tuple(f"log:{row[0]}" for row in rows[: MOST_EVIDENCE // 2])
