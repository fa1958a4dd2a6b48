"""PostgreSQL's log at its bounds: durations, kinds of events and who may write them, pieces of files."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.telemetry.pglog import InvalidLineError, Tail, parse, records_of
from lab.telemetry.pglog import tail as module
from lab.telemetry.pglog.locks import participants
from lab.telemetry.store import Event, Execution, Plan, Record, Statement


def records(message: str, **fields: Any) -> list[Record]:
    known = {
        "timestamp": "2026-11-21 20:54:41.123 UTC", "user": "credit_app", "dbname": "creditdb", "pid": 7,
        "error_severity": "LOG", "backend_type": "client backend", "query_id": 5, "message": message,
    }  # fmt: skip
    return records_of(parse(json.dumps({**known, **fields}).encode()))


def event(message: str, **fields: Any) -> Event | None:
    found = records(message, **fields)
    assert not found or isinstance(found[0], Event)
    return found[0] if found else None  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("duration", "ns"),
    [
        ("1", 1_000_000),
        ("0.5", 500_000),
        ("0.05", 50_000),
        ("12.345", 12_345_000),
        ("0.001", 1_000),
    ],
)
def test_a_duration_has_up_to_three_digits_of_a_millisecond(duration: str, ns: int) -> None:
    [found, _] = records(f"duration: {duration} ms  statement: SELECT 1")
    assert isinstance(found, Execution)
    assert found.duration_ns == ns


@pytest.mark.parametrize(
    "fields",
    [{"error_severity": "WARNING"}, {"context": "PL/pgSQL function f() line 1 at RAISE"}],
)
def test_what_an_application_raises_is_no_report(fields: dict[str, str]) -> None:
    assert records("duration: 1 ms  statement: SELECT 1", **fields) == []


def test_an_execution_without_a_queryid_has_no_statement() -> None:
    """The log writes 0 for none; several statements in one string have that of the last."""
    [alone] = records("duration: 1 ms  statement: SELECT 1", query_id=0)
    assert isinstance(alone, Execution)
    assert alone.queryid is None
    [several] = records("duration: 1 ms  statement: SELECT 1; SELECT 2")
    assert isinstance(several, Execution)
    assert several.queryid is None


def plan(text: str | None, ps: str) -> list[Record]:
    document: dict[str, object] = {"Plan": {"Node Type": "Result"}}
    document |= {"Query Text": text} if text else {}
    return records(f"duration: 2 ms  plan:\n{json.dumps(document)}", ps=ps)


@pytest.mark.parametrize(
    ("text", "ps", "queryid", "has_statement"),
    [
        ("SELECT 1", "SELECT", 5, True), (None, "SELECT", 5, False), ("SELECT 1", "EXECUTE", None, False),
        ("WITH a AS (SELECT 1) UPDATE t SET x = 1", "UPDATE", 5, True), ("TABLE t", "SELECT", 5, True),
        ("TABLE t", "INSERT", None, False), ("SELECT 1; SELECT 2", "SELECT", 5, False),
        ("SELECT 1", "", 5, True),
    ],
)  # fmt: skip
def test_the_queryid_of_a_plan_is_that_of_its_own_statement(
    text: str | None, ps: str, queryid: int | None, has_statement: bool
) -> None:
    """By the command that the session executes: the line has the queryid of the top-level statement."""
    first, *rest = plan(text, ps)
    assert isinstance(first, Plan)
    assert (first.queryid, first.duration_ns, first.executed) == (queryid, 2_000_000, True)
    assert [isinstance(one, Statement) for one in rest] == [True] * has_statement


WAITS = "process 12 still waiting for ShareLock on transaction 9"
ACQUIRED = "process 12 acquired ShareLock on transaction 9"


@pytest.mark.parametrize(
    ("message", "backend", "kind"),
    [
        (f"{WAITS} after 1000 ms", "client backend", "lock_wait"),
        (f"{ACQUIRED} after 1000.123 ms", "parallel worker", "lock_acquired"),
        (f"{ACQUIRED} after 1000.123 ms", "checkpointer", None),
        ("process 12 acquired ShareLock on nothing after 1000.123 ms", "client backend", None),
        (f"{WAITS} after 1000.5 ms", "client backend", None),
        ('temporary file: path "base/x", size 5', "walsender", "temp_file"),
        ('temporary file: path "base/x", size 5', "postmaster", None),
        ("received SIGHUP, reloading configuration files", "postmaster", "server"),
        ("received SIGHUP, reloading configuration files", "client backend", None),
        ("database system is ready to accept connections", "startup", "server"),
        ("server process (PID 77) was terminated by signal 9: Killed", "postmaster", "server"),
        ("server process (PID 77) was terminated by signal 9: Killed", "client backend", None),
    ],
)  # fmt: skip
def test_an_event_is_written_by_its_own_processes(
    message: str, backend: str, kind: str | None
) -> None:
    """Any other process may have a text like it, which an application chose."""
    found = event(message, backend_type=backend)
    assert (found.kind if found else None) == kind
    reported = event(message, backend_type=backend, state_code="00000")
    assert (reported.kind if reported else None) == kind
    assert event(message, backend_type=backend, state_code="01000") is None
    assert event(message, backend_type=backend, error_severity="NOTICE") is None
    assert (
        event(message, backend_type=backend, context="PL/pgSQL function f() line 1 at RAISE")
        is None
    )


def test_an_event_has_the_words_of_the_server() -> None:
    """Without a process id, or a file name; durations in nanoseconds."""
    killed = event(
        "server process (PID 77) was terminated by signal 9: Killed", backend_type="postmaster"
    )
    assert killed is not None
    assert killed.message == "server process was terminated by signal 9"
    wait = event("process 12 still waiting for ShareLock on transaction 9 after 1000 ms")
    assert wait is not None
    assert (wait.message, wait.duration_ns, wait.relation) == (
        "still waiting for ShareLock on transaction 9", 1_000_000_000, None,
    )  # fmt: skip
    assert wait.participants[0].blocked_by == ()
    one = event(
        "process 12 acquired ShareLock on advisory lock [5,6,7,1] after 0.007 ms",
        detail="Process holding the lock: 13. Wait queue: .",
    )
    assert one is not None
    assert (one.duration_ns, one.participants[0].blocked_by) == (7_000, (13,))
    assert one.participants[0].waits_for == "ShareLock on advisory lock"


@pytest.mark.parametrize("severity", ["ERROR", "FATAL", "PANIC"])
def test_errors_have_their_sqlstate(severity: str) -> None:
    """The text of a statement that could not be parsed is not kept: its literals cannot be found."""
    text = "SELECT 'Maria"
    found = event(
        "division by zero", error_severity=severity, state_code="22012", statement="SELECT 1/0"
    )
    assert found is not None
    assert (found.kind, found.severity, found.sqlstate) == ("error", severity, "22012")
    assert (found.message, found.text) == ("division by zero", "SELECT ?/?")
    broken = event(
        "syntax error at end of input", error_severity=severity, state_code="42601", statement=text
    )
    assert broken is not None
    assert (broken.message, broken.text) == ("syntax error at end of input", None)
    odd = event("division by zero", error_severity=severity, state_code="maria")
    assert odd is not None
    assert (odd.message, odd.sqlstate) == ("?", None)


def test_a_deadlock_is_postgresqls_own() -> None:
    """Another message with its SQLSTATE is an error, as is the message with another SQLSTATE."""
    for message, state, kind in (
        ("deadlock detected", "40P01", "deadlock"), ("deadlock detected, said Maria", "40P01", "error"),
        ("deadlock detected", "40001", "error"),
    ):  # fmt: skip
        found = event(message, error_severity="ERROR", state_code=state, detail="")
        assert found is not None
        assert found.kind == kind


def test_a_statement_of_a_deadlock_whose_end_is_uncertain_is_not_kept() -> None:
    """One that contains such a line itself."""
    waits = "Process 12 waits for ShareLock on transaction 7; blocked by process 13."
    [certain] = participants(f"{waits}\nProcess 12: SELECT 1")
    assert (certain.pid, certain.blocked_by, certain.text) == (12, (13,), "SELECT ?")
    [uncertain] = participants(f"{waits}\nProcess 12: SELECT '\nProcess 13: x'")
    assert (uncertain.pid, uncertain.text) == (12, None)


@pytest.mark.parametrize(
    ("timestamp", "at_ns"),
    [
        ("1970-01-01 00:00:00.001 UTC", 1_000_000), ("2200-12-31 00:00:00.999 GMT", None),
        ("2201-01-01 00:00:00.000 UTC", -1), ("1969-12-31 23:59:59.999 UTC", -1),
        ("2026-11-21 20:54:41 UTC", 1_795_294_481_000_000_000), ("2026-11-21 20:54:41.123 -03", -1),
        ("2026-11-21T20:54 x UTC", -1),
    ],
)  # fmt: skip
def test_times_of_the_log_are_utc_and_fit(timestamp: str, at_ns: int | None) -> None:
    """From 1970 to the year 2200, in milliseconds; any other line is invalid."""
    line = parse(json.dumps({"timestamp": timestamp, "pid": 1, "error_severity": "LOG"}).encode())
    if at_ns == -1:
        with pytest.raises(InvalidLineError):
            assert line.at_ns
    else:
        assert line.at_ns > 0
        assert at_ns is None or line.at_ns == at_ns


def test_a_piece_ends_with_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line longer than a piece is read whole; one longer than any of PostgreSQL's is skipped."""
    monkeypatch.setattr(module, "PIECE_BYTES", 8)
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 32)
    log, tail = tmp_path / "a.json", Tail(tmp_path, {})

    def pieces() -> list[list[bytes]]:
        found = []
        while piece := tail.next(now_ns=1):
            tail.advance(piece)
            found.append(piece.lines)
        return found

    log.write_bytes(b"abc\ndefg\nhij\n" + b"x" * 20 + b"\nlast")
    assert pieces() == [[b"abc"], [b"defg"], [b"hij"], [b"x" * 20]]
    assert tail.unread_bytes() == 4
    log.write_bytes(b"y" * 200 + b"\nnext\n")
    found = pieces()
    assert found[0] == [b"y" * 32]
    assert found[-1][-1] == b"next"
    assert tail.unread_bytes() == 0


def test_an_idle_log_is_reported_every_ten_seconds(tmp_path: Path) -> None:
    """From the last reading on, while there is a file; the position stays."""
    log, tail = tmp_path / "a.json", Tail(tmp_path, {})
    assert tail.nothing_new(10**12) is None
    log.write_bytes(b"a\n")
    piece = tail.next(now_ns=5)
    assert piece is not None
    tail.advance(piece)
    assert tail.nothing_new(10_000_000_004) is None
    idle = tail.nothing_new(10_000_000_005)
    assert idle is not None
    assert (idle.lines, idle.position.position, idle.position.at_ns) == ([], 2, 10_000_000_005)
    log.unlink()
    assert tail.nothing_new(10_000_000_005) is None
