"""The root cause of a lock wait as a sentence: who blocks, its statement, which services wait, how long."""

from dataclasses import replace
from datetime import UTC, datetime

from rich.console import Console

from lab.cli.views.sessions import render
from lab.drilldown.sessions import Session, Sessions, blocking_tree, root_causes

IDLE = Session(
    pid=10, role="credit_app", application="export", database="creditdb", state="idle in transaction",
    wait_event_type="Client", wait_event="ClientRead", queryid=None, service="credit-drill",
    statement="lock_customers", text="SELECT", trace_id=None, span_id=None, backend_type="client backend",
    query_age_s=12.0, transaction_age_s=12.5, state_age_s=12.0, blocked_by=(),
)  # fmt: skip
WAITS = replace(IDLE, pid=11, service="credit-customers", state="active", statement="update_contact",
                query_age_s=9.3, blocked_by=(10,))  # fmt: skip
BEHIND = replace(WAITS, pid=12, service="credit-proposals", query_age_s=4.0, blocked_by=(11, 10))


def found(*sessions: Session) -> Sessions:
    """These sessions at a moment."""
    return Sessions(
        at=datetime(2026, 1, 1, tzinfo=UTC),
        sessions=sessions,
        blocking=blocking_tree({s.pid: s.blocked_by for s in sessions}),
        longest_transactions=(),
    )


def test_the_head_of_a_chain_is_named_with_what_it_blocks() -> None:
    """A session below two others counts once."""
    [text] = root_causes(found(IDLE, WAITS, BEHIND))
    assert text == (
        "pid 10 (credit-drill, idle in transaction 12.5 s, last statement lock_customers) blocks 2 sessions"
        " of credit-customers, credit-proposals; the longest waits 9.3 s."
    )
    assert root_causes(found(IDLE)) == ()


def test_a_head_that_is_no_session_is_named_as_what_it_is() -> None:
    """A prepared transaction, and a session that ended between two reads."""
    [prepared] = root_causes(found(replace(WAITS, blocked_by=(0,))))
    assert prepared.startswith("A prepared transaction (pg_prepared_xacts) blocks 1 session of")
    [gone] = root_causes(found(WAITS))
    assert gone.startswith(
        "pid 10 (a background process, or already ended) blocks 1 session of credit-customers;"
    )


def test_the_terminal_shows_it_above_the_tree() -> None:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(render(found(IDLE, WAITS, BEHIND)))
    shown = " ".join(captured.get().split())
    assert shown.index("Root cause: pid 10 (credit-drill") < shown.index("Who waits for whom")
