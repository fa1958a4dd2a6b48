"""The lab's own sampling of a real PostgreSQL, through a real console into its store."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.clients.database import Role, rows
from lab.foundation.readiness import await_state
from lab.telemetry import redact
from lab.telemetry.activity import sampler
from lab.telemetry.store import ActivityRound, ActivitySample, Source, Statement
from tests.fix_console import RunningConsole, start_console
from tests.fix_postgres import Database

WITHIN_S = 150.0
CPF = "39053344705"
TRACE, SPAN = "67405d1f00000000a1b2c3d4e5f60718", "a1b2c3d4e5f60719"
COMMENT = f"/*ddps='credit-customers',traceparent='00-{TRACE}-{SPAN}-01'*/ "


@pytest.fixture
def watching(database: Database, tmp_path: Path) -> Iterator[RunningConsole]:
    console = start_console(tmp_path, POSTGRES_PORT=str(database.port), POSTGRES_DB=database.name)
    try:
        yield console
    finally:
        console.stop()


def test_it_samples_each_second_who_waits_and_for_whom(
    database: Database, watching: RunningConsole
) -> None:
    """With source `lab`: session, span, queryid, statement without its literal, and blocker."""
    with ExitStack() as stack:
        holder = stack.enter_context(database.connect(Role.OWNER))
        waiter = stack.enter_context(database.connect(Role.OWNER))
        rows(holder, "BEGIN")
        rows(holder, "LOCK TABLE customers")
        ((blocker,),) = rows(holder, "SELECT pg_backend_pid()")
        statement = COMMENT + f"SELECT city FROM customers WHERE cpf = '{CPF}'"
        thread = threading.Thread(target=rows, args=(waiter, statement))
        thread.start()
        condition = "span_id = ? AND blocking_pids <> '[]'"

        def fewer() -> str | None:
            found = watching.reader.select(ActivitySample, condition, [SPAN])
            return None if len(found) > 2 else f"{len(found)} samples"

        await_state("three samples of the waiting session", fewer, within_s=WITHIN_S)
        rows(holder, "COMMIT")
        thread.join(WITHIN_S)
    found = watching.reader.select(ActivitySample, condition, [SPAN], order="at_ns")
    assert {each.source for each in found} == {Source.LAB}
    assert {each.blocking_pids for each in found} == {(blocker,)}
    assert {(each.trace_id, each.service) for each in found} == {(TRACE, "credit-customers")}
    assert {each.wait_event_type for each in found} == {"Lock"}
    at = {each.at_ns for each in found}
    others = [
        s for s in watching.reader.select(ActivitySample, "pid = ?", [blocker]) if s.at_ns in at
    ]
    assert {each.state for each in others} == {"idle in transaction"}
    taken = watching.reader.select(ActivityRound, order="at_ns")
    assert {(each.source, each.interval_s) for each in taken} == {(Source.LAB, 1.0)}
    texts = [each.text for each in watching.reader.select(Statement)]
    assert not [text for text in texts if CPF in text]
    assert watching.send("GET", "/healthz").json()["sampling_trouble"] is None
    assert watching.metric("lab_activity_rows_skipped_total") == 0


def test_it_has_a_reason_without_postgresql_and_stops_at_once(tmp_path: Path) -> None:
    """/healthz names it; the console serves and ends as usual."""
    console = start_console(tmp_path)
    try:

        def silent() -> str | None:
            trouble = console.send("GET", "/healthz").json()["sampling_trouble"]
            return None if trouble and "No PostgreSQL answers" in trouble else str(trouble)

        await_state("the console states why it does not sample", silent, within_s=WITHIN_S)
        assert console.metric("lab_activity_sampled") == 0
        assert console.reader.select(ActivityRound) == []
    finally:
        console.stop()
    # uvicorn raises the signal that stopped it again.
    assert console.process.returncode in {0, -signal.SIGTERM}


def test_a_row_that_cannot_be_read_is_skipped_and_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with one session: the others are sampled."""
    real = redact.label

    def odd(name: str | None) -> str | None:
        if name == "credit_owner":
            raise ValueError(name)
        return real(name)

    monkeypatch.setattr(redact, "label", odd)
    with ExitStack() as stack:
        for role in (Role.OWNER, Role.APP):
            rows(stack.enter_context(database.connect(role)), "BEGIN")
        connection = stack.enter_context(database.connect(Role.LAB))
        found, skipped = sampler.sample(connection)
    roles = {each.role for each in found if isinstance(each, ActivitySample)}
    assert "credit_app" in roles
    assert skipped == 1
