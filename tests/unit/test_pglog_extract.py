"""What lab.telemetry.pglog makes of single lines."""

import json
from typing import Any

import pytest

from lab.telemetry.pglog import InvalidLineError, parse, records_of
from lab.telemetry.redact import InvalidPlanError
from lab.telemetry.store import Event, Execution, Plan, Record, Statement

TRACE, SPAN = "67405d1f00000000a1b2c3d4e5f60718", "a1b2c3d4e5f60719"
COMMENT = f"/*dde='lab',ddps='credit-customers',traceparent='00-{TRACE}-{SPAN}-01'*/ "
CPF = "39053344705"


def line(message: str, **fields: Any) -> bytes:
    common = {
        "timestamp": "2026-11-21 20:54:41.123 UTC",
        "user": "credit_app",
        "dbname": "creditdb",
        "pid": 4711,
        "error_severity": "LOG",
        "backend_type": "client backend",
        "application_name": "credit-customers",
        "query_id": -5,
    }
    return json.dumps({**common, "message": message, **fields}).encode()


def records(message: str, **fields: Any) -> list[Record]:
    return records_of(parse(line(message, **fields)))


def event(message: str, **fields: Any) -> Event:
    (found,) = records(message, **fields)
    assert isinstance(found, Event)
    return found


@pytest.mark.parametrize("step", ["statement", "execute <unnamed>", "execute named/C_1"])
def test_an_execution(step: str) -> None:
    """A duration line gives the execution with its span, and the statement without literals."""
    text = (
        f"{COMMENT}SELECT 1 FROM customers WHERE cpf = '{CPF}' /*service='s',statement='lookup'*/"
    )
    execution, statement = records(f"duration: 123.456 ms  {step}: {text}")
    assert isinstance(execution, Execution)
    assert isinstance(statement, Statement)
    assert (execution.trace_id, execution.span_id) == (TRACE, SPAN)
    assert execution.duration_ns == 123_456_000
    assert execution.at_ns == 1_795_294_481_123_000_000
    assert (execution.queryid, execution.statement, statement.key) == (-5, "lookup", "-5")
    assert statement.text == "SELECT ? FROM customers WHERE cpf = ?"
    assert (statement.name, statement.owner) == ("lookup", "s")


@pytest.mark.parametrize(
    "message",
    ["duration: 1.5 ms", "duration: 1.5 ms  parse x: SELECT 1", "duration: 1.5 ms  bind x: SELECT 1",
     "connection received", "duration: nonsense"],
)  # fmt: skip
def test_lines_that_tell_no_execution(message: str) -> None:
    """Steps of an execution, and chatter, give nothing."""
    assert records(message) == []


def test_an_executed_plan() -> None:
    """auto_explain's JSON gives the plan of this very execution."""
    document = {
        "Query Text": f"{COMMENT}SELECT '{CPF}'",
        "Plan": {"Node Type": "Result", "Filter": f"(a = '{CPF}'::text)", "Actual Rows": 1},
    }
    plan, statement = records(f"duration: 250.000 ms  plan:\n{json.dumps(document)}")
    assert isinstance(plan, Plan)
    assert (plan.span_id, plan.executed, plan.duration_ns) == (SPAN, True, 250_000_000)
    assert CPF not in plan.definition
    assert isinstance(statement, Statement)
    assert statement.text == "SELECT ?"


def test_a_torn_plan() -> None:
    """A plan that cannot be read says so."""
    with pytest.raises(InvalidPlanError):
        records('duration: 250.000 ms  plan:\n{"Query Text": "SEL')


def test_a_deadlock_names_its_participants() -> None:
    """Each participant has its process, what it waits for, who blocks it, and its own span."""
    detail = (
        "Process 12 waits for ShareLock on transaction 766; blocked by process 13.\n"
        "Process 13 waits for ShareLock on transaction 765; blocked by process 12.\n"
        f"Process 12: {COMMENT}UPDATE a SET x = '{CPF}'\nWHERE id = 1\n"
        "Process 13: UPDATE b SET x = 2 /*service='s',statement='second'*/"
    )
    found = event("deadlock detected", error_severity="ERROR", state_code="40P01", detail=detail)
    assert found.kind == "deadlock"
    first, second = found.participants
    assert (first.pid, first.blocked_by, first.waits_for) == (
        12,
        (13,),
        "ShareLock on transaction 766",
    )
    assert (first.text, first.span_id) == ("UPDATE a SET x = ?\nWHERE id = ?", SPAN)
    assert (second.pid, second.statement, second.text) == (13, "second", "UPDATE b SET x = ?")


def test_a_lock_wait() -> None:
    """A wait names its lock, its length, and who holds what is waited for."""
    found = event(
        "process 12 still waiting for AccessExclusiveLock on relation 16402 of database 16384"
        " after 500.123 ms",
        detail="Processes holding the lock: 13, 14. Wait queue: 12.",
        statement=f"{COMMENT}LOCK TABLE a",
    )
    assert (found.kind, found.duration_ns, found.span_id) == ("lock_wait", 500_123_000, SPAN)
    (waiting,) = found.participants
    assert (waiting.pid, waiting.blocked_by) == (12, (13, 14))
    assert found.relation == "relation 16402"
    acquired = event("process 12 acquired ShareLock on transaction 9 after 700.000 ms")
    assert (acquired.kind, acquired.duration_ns) == ("lock_acquired", 700_000_000)


def test_a_checkpoint() -> None:
    """A checkpoint gives its buffers and times as figures."""
    found = event(
        "checkpoint complete: wrote 44 buffers (0.1%); 0 WAL file(s) added, 0 removed, 1 recycled;"
        " write=4.210 s, sync=0.004 s, total=4.225 s; sync files=11, longest=0.003 s, average=0.001 s;"
        " distance=260 kB, estimate=260 kB",
        backend_type="checkpointer",
    )
    assert (found.kind, found.duration_ns) == ("checkpoint", 4_225_000_000)
    assert found.figures == {
        "buffers": 44, "write_s": 4.21, "sync_s": 0.004, "total_s": 4.225, "distance_kb": 260,
    }  # fmt: skip


def test_autovacuum() -> None:
    """Autovacuum gives its table, its time, and what it removed."""
    found = event(
        'automatic vacuum of table "creditdb.public.audit_log": index scans: 1\n'
        "tuples: 30 removed, 400 remain, 5 are dead but not yet removable, oldest xmin: 9\n"
        "system usage: CPU: user: 0.00 s, system: 0.00 s, elapsed: 1.25 s",
        backend_type="autovacuum worker",
    )
    assert (found.kind, found.relation) == ("autovacuum", "creditdb.public.audit_log")
    assert (found.duration_ns, found.figures["removed"]) == (1_250_000_000, 30)
    analyze = 'automatic analyze of table "a.b.vendas_20261101"\nsystem usage: x'
    found = event(analyze, backend_type="autovacuum worker")
    assert (found.kind, found.relation) == ("autoanalyze", "a.b.vendas_20261101")


def test_a_temporary_file() -> None:
    """A spill has its size and the statement's span."""
    found = event('temporary file: path "base/x.0", size 123', statement=f"{COMMENT}SELECT 1")
    assert (found.kind, found.size_bytes, found.span_id) == ("temp_file", 123, SPAN)


def test_errors_hold_no_data() -> None:
    """Of an error nothing is kept that a row or a literal could have brought in."""
    found = event(
        'duplicate key value violates unique constraint "customers_cpf_key"',
        error_severity="ERROR",
        state_code="23505",
        detail=f"Key (cpf)=({CPF}) already exists.",
        statement=f"{COMMENT}INSERT INTO customers (cpf, full_name) VALUES ('{CPF}', 'Maria')",
        application_name="maria@example.com",
        context=f'COPY customers, line 3, column cpf: "{CPF}"',
    )
    assert (found.kind, found.sqlstate, found.span_id) == ("error", "23505", SPAN)
    stored = repr(found)
    for secret in (CPF, "Maria", "maria@"):
        assert secret not in stored


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"null", b"[" * 100_000, b'{"timestamp":"x","pid":"y"}', b"\xff\xfe",
     line("x", pid=2**40), line("x", query_id=2**64)],
)  # fmt: skip
def test_no_line(raw: bytes) -> None:
    """What is no line of jsonlog is refused, whatever it is."""
    with pytest.raises(InvalidLineError):
        parse(raw)


def test_a_line_after_a_torn_one() -> None:
    """Where a crash tore a line in two, the next one, appended to it, is still read."""
    whole = line("duration: 5.000 ms  statement: SELECT 1").replace(b": ", b":", 1)
    assert len(records_of(parse(b'{"timestamp":"2026-11-21 20:5' + whole))) == 2


def test_another_time_zone_is_refused() -> None:
    """A timestamp in local time is refused, not taken for UTC."""
    with pytest.raises(InvalidLineError, match="log_timezone must be UTC"):
        records("duration: 5.000 ms  statement: S", timestamp="2026-11-21 20:54:41.123 -03")


@pytest.mark.parametrize("name", ["a:b", "a: b", "SELECT", "execute x: y", "portal/C:1"])
def test_a_prepared_statements_name_may_hold_colons(name: str) -> None:
    """The name is the client's; the statement begins where SQL does."""
    execution, statement = records(f"duration: 123.456 ms  execute {name}: {COMMENT}SELECT '{CPF}'")
    assert isinstance(execution, Execution)
    assert isinstance(statement, Statement)
    assert (execution.span_id, statement.text) == (SPAN, "SELECT ?")


def test_a_string_of_several_statements_has_no_queryid() -> None:
    """The line has the query id of the last one, and the text of all."""
    text = f"{COMMENT}SELECT 1; SELECT ';' /* ; */"
    [execution] = records(f"duration: 123.456 ms  statement: {text}")
    assert isinstance(execution, Execution)
    assert (execution.queryid, execution.span_id) == (None, SPAN)
    [plan] = plan_of(text, ps="SELECT")
    assert isinstance(plan, Plan)
    assert (plan.queryid, plan.span_id) == (-5, SPAN)


@pytest.mark.parametrize(
    ("text", "ps", "queryid", "span"),
    [
        ("SELECT 1", "SELECT", -5, SPAN),
        ("WITH a AS (SELECT 1) DELETE FROM b", "DELETE", -5, SPAN),
        ("CREATE TABLE a AS SELECT 1", "CREATE TABLE AS", -5, SPAN),
        ("PREPARE q AS SELECT $1", "EXECUTE", None, None),
        ("DECLARE c CURSOR FOR SELECT 1", "CLOSE CURSOR", None, SPAN),
        ("DECLARE c CURSOR FOR SELECT 1", "COMMIT", None, SPAN),
        ("SELECT 1", "DO", None, SPAN),
    ],
)
def test_a_plans_text_may_be_another_statements_than_runs(
    text: str, ps: str, queryid: int | None, span: str | None
) -> None:
    """The query id is of what the session runs; the text is what was parsed, PREPARE's for EXECUTE."""
    plan, *statements = plan_of(f"{COMMENT}{text}", ps=ps)
    assert isinstance(plan, Plan)
    assert (plan.queryid, plan.span_id) == (queryid, span)
    assert len(statements) == (queryid is not None)


def plan_of(text: str, **fields: Any) -> list[Record]:
    document = json.dumps({"Query Text": text, "Plan": {"Node Type": "Result"}})
    return records(f"duration: 250.000 ms  plan:\n{document}", **fields)
