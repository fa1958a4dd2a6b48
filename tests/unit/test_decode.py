"""Every body that an Agent or ddtrace sends comes to the records it stands for; any other is refused."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from lab.foundation.timestamps import nanoseconds
from lab.telemetry import redact
from lab.telemetry.intake import STREAMS, RejectedError
from lab.telemetry.intake import limits as lim
from lab.telemetry.intake.protobuf import _classes
from lab.telemetry.store import (
    ActivityRound,
    ActivitySample,
    MetricPoint,
    MetricSeries,
    Plan,
    QueryMetrics,
    Record,
    Snapshot,
    Source,
    Span,
    Statement,
)
from tests import payloads as p

BODIES: dict[str, Callable[[], bytes]] = {
    "/v0.5/traces": p.v05,
    "/v0.4/traces": p.v04,
    "/api/v0.2/traces": p.agent_traces,
    "/api/v0.2/traces idx": p.idx_traces,
    "/api/v2/databasequery": p.samples,
    "/api/v2/dbmmetrics": p.metrics,
    "/api/v2/dbmactivity": p.activity,
    "/api/v2/dbmmetadata": p.metadata,
    "/api/v2/series": p.series,
}
TRACES = [path for path in BODIES if "traces" in path]


def decode(path: str, body: bytes | None = None) -> list[Record]:
    body = BODIES[path]() if body is None else body
    return STREAMS[path.partition(" ")[0]].decode(body).records


@pytest.mark.parametrize("path", TRACES)
def test_traces(path: str) -> None:
    """All forms give the same spans, with 128-bit ids and without personal data."""
    root, child = decode(path)
    assert isinstance(root, Span)
    assert isinstance(child, Span)
    assert root.trace_id == child.trace_id == p.TRACE_ID
    assert (root.span_id, root.parent_id) == ("000000000000002a", None)
    assert (child.span_id, child.parent_id) == ("000000000000002b", "000000000000002a")
    assert root.resource == "SELECT * FROM customers WHERE cpf = ? AND full_name = ?"
    assert (root.service, root.name, root.kind) == ("credit-customers", "postgres.query", "sql")
    assert (root.start_ns, root.duration_ns) == (p.START, 1000)
    assert (root.error, child.error) == (False, True)
    assert root.tags["component"] == "psycopg"
    assert root.tags["error.message"] == "?"
    assert root.tags["_sampling_priority_v1"] == 1.0


@pytest.mark.parametrize("path", BODIES)
def test_nothing_personal_gets_in(path: str) -> None:
    """No literal, name, address or number of a customer is in any record."""
    stored = repr(decode(path))
    assert [s for s in (*p.SECRETS, "3905334", "s3cret", "Traceback") if s in stored] == []


def test_the_idx_form_has_typed_attributes() -> None:
    """A number that is 0 is kept, a flag becomes text, and what is neither is ignored."""
    root, child = decode("/api/v0.2/traces", p.idx_traces())
    assert isinstance(root, Span)
    assert isinstance(child, Span)
    assert root.tags["db.row_count"] == 0
    assert (root.tags["http.route"], root.tags["span.kind"]) == ("true", "client")
    assert (root.tags["env"], root.tags["version"]) == ("lab", "0.1.0")
    assert "_sampling_priority_v1" not in child.tags
    assert "ignored" not in root.tags


@pytest.mark.parametrize(
    ("field", "number", "says"),
    [("resourceRef", 99, "not in the table"), ("spanID", 0, "ids must be"), ("start", 0, "times")],
)
def test_a_span_of_the_idx_form_that_is_none_is_refused(field: str, number: int, says: str) -> None:
    payload = _classes["AgentPayload"].FromString(p.idx_traces(1))
    tracer = _classes["IdxTracerPayload"].FromString(payload.idxTracerPayloads[0])
    chunk = _classes["IdxTraceChunk"].FromString(tracer.chunks[0])
    span = _classes["IdxSpan"].FromString(chunk.spans[0])
    setattr(span, field, number)
    chunk.spans[0] = span.SerializeToString()
    tracer.chunks[0] = chunk.SerializeToString()
    payload.idxTracerPayloads[0] = tracer.SerializeToString()
    with pytest.raises(RejectedError, match=says):
        decode("/api/v0.2/traces", payload.SerializeToString())


def test_a_chunk_of_the_idx_form_needs_a_whole_trace_id() -> None:
    chunk = _classes["IdxTraceChunk"](traceID=b"1234").SerializeToString()
    tracer = _classes["IdxTracerPayload"](chunks=[chunk]).SerializeToString()
    body = _classes["AgentPayload"](idxTracerPayloads=[tracer]).SerializeToString()
    with pytest.raises(RejectedError, match="must have 16 bytes"):
        decode("/api/v0.2/traces", body)


def test_the_chunks_of_a_tracer_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as the limit are decoded; one more is refused."""
    monkeypatch.setattr("lab.telemetry.intake.agent.MAX_CHUNKS", 1)
    assert decode("/api/v0.2/traces", p.agent_traces(1))
    payload = _classes["AgentPayload"].FromString(p.agent_traces(1))
    tracer = _classes["TracerPayload"].FromString(payload.tracerPayloads[0])
    tracer.chunks.append(tracer.chunks[0])
    payload.tracerPayloads[0] = tracer.SerializeToString()
    with pytest.raises(RejectedError, match="more than 1 chunks"):
        decode("/api/v0.2/traces", payload.SerializeToString())


def test_samples() -> None:
    """A plan event gives an estimated plan with its span, and texts give statements with their names."""
    statement, plan, again = decode("/api/v2/databasequery")
    assert isinstance(plan, Plan)
    assert (plan.trace_id, plan.span_id) == (p.TRACE_ID, "000000000000002a")
    assert (plan.source, plan.executed, plan.statement) == (Source.AGENT, False, "find_customer")
    assert (plan.signature, plan.pid, plan.duration_ns) == ("1f2e3d", 4711, 5_000_000)
    assert plan.at_ns == p.START
    assert isinstance(statement, Statement)
    assert (statement.key, statement.name, statement.owner) == (
        "1f2e3d",
        "find_customer",
        "credit-customers",
    )
    assert isinstance(again, Statement)


def test_metrics() -> None:
    """Deltas keep their units; with a queryid the statement comes along; the source is distinguished."""
    (record,) = decode("/api/v2/dbmmetrics")
    assert isinstance(record, QueryMetrics)
    assert (record.calls, record.rows, record.exec_time_ms, record.wal_bytes) == (3, 4, 1.5, 8)
    assert (record.role, record.signature, record.queryid) == ("credit_app", "1f2e3d", None)
    assert record.source is Source.AGENT
    statement, _ = decode("/api/v2/dbmmetrics", p.metrics(queryid=-7))
    assert isinstance(statement, Statement)
    assert (statement.key, statement.signature, statement.name) == ("-7", "1f2e3d", "find_customer")
    body = p.metrics(queryid=-7, version="embedded")
    statement, record = decode("/api/v2/dbmmetrics", body)
    assert isinstance(statement, Statement)
    assert isinstance(record, QueryMetrics)
    # The embedded agent's signature would take the place of an Agent's, which plans are found by.
    assert (statement.key, statement.signature, statement.name) == ("-7", None, "find_customer")
    assert (record.queryid, record.source) == (-7, Source.EMBEDDED)


def test_the_io_times_of_postgresql_17() -> None:
    """It has a column for shared and one for local buffers where 16 had one for both."""
    [event] = json.loads(p.metrics())
    row = event["postgres_rows"][0]
    for name in ("blk_read_time", "blk_write_time"):
        row.pop(name, None)
    row |= {
        "shared_blk_read_time": 4200.0,
        "local_blk_read_time": 1.5,
        "shared_blk_write_time": 100.0,
    }
    [found] = decode("/api/v2/dbmmetrics", json.dumps([event]).encode())
    assert isinstance(found, QueryMetrics)
    assert (found.blk_read_time_ms, found.blk_write_time_ms) == (4201.5, 100.0)


def test_activity() -> None:
    """A session keeps its wait, its blockers, its span and its start."""
    taken, _, sample, series, point = decode("/api/v2/dbmactivity")
    assert isinstance(series, MetricSeries)
    assert series.name == "postgresql.connections"
    assert "state:active" in series.tags
    assert isinstance(point, MetricPoint)
    assert (point.series, point.value) == (series.key, 1.0)
    assert isinstance(taken, ActivityRound)
    assert (taken.interval_s, taken.sessions) == (10.0, 1)
    assert isinstance(sample, ActivitySample)
    assert (sample.wait_event, sample.blocking_pids) == ("transactionid", (4712,))
    assert sample.span_id == "000000000000002a"
    assert sample.query_start_ns == nanoseconds(p.QUERY_STARTED)
    assert sample.application == redact.label(p.EMAIL)


def test_metadata() -> None:
    """Settings are one snapshot, each table another; secrets and literals are not in them."""
    settings, table = decode("/api/v2/dbmmetadata")
    assert isinstance(settings, Snapshot)
    assert json.loads(settings.payload) == {"work_mem": "8192", "ssl_passphrase_command": "?"}
    assert isinstance(table, Snapshot)
    assert table.kind == "table creditdb.16545"
    assert json.loads(table.payload)["columns"][0]["default"] == "?::text"
    assert json.loads(table.payload)["id"] == 16545


def test_series_are_counted() -> None:
    """Series are counted and not stored, in protobuf and in JSON."""
    assert STREAMS["/api/v2/series"].decode(p.series()).items == 2
    assert STREAMS["/api/v2/series"].decode(b'{"series":[]}').records == []
    for path in ("/api/v1/series", "/api/v2/series"):
        assert STREAMS[path].decode(b'{"series":[{"metric":"a"},{"metric":"b"}]}').items == 2


SPAN: dict[str, Any] = {"trace_id": 1, "span_id": 1, "start": 1, "duration": 1}


@pytest.mark.parametrize("change", [
    {"trace_id": 0}, {"trace_id": -1}, {"span_id": 0}, {"start": 0}, {"start": 2**63}, {"start": -5},
    {"duration": 2**63}, {"start": "x"}, {"meta": {"a": 1}}, {"metrics": {"a": "b"}},
    {"start": None}, {"resource": b"\xff"},
])  # fmt: skip
def test_spans_out_of_range(change: dict[str, Any]) -> None:
    """Ids of zero, times out of range and values of another type are refused."""
    assert len(decode("/v0.4/traces", msgspec.msgpack.encode([[SPAN]]))) == 1
    with pytest.raises(RejectedError) as refused:
        decode("/v0.4/traces", msgspec.msgpack.encode([[{**SPAN, **change}]]))
    assert refused.value.status == 400


def test_a_negative_duration_is_a_clock_that_was_set_back() -> None:
    """Such a span is kept, with no duration."""
    (span,) = decode("/v0.4/traces", msgspec.msgpack.encode([[{**SPAN, "duration": -5}]]))
    assert isinstance(span, Span)
    assert span.duration_ns == 0


BOMBS = {
    "a header that promises four thousand million spans": ("/v0.5/traces", b"\x92\x90\xdd\xff\xff\xff\xff"),
    "ten million empty chunks": ("/v0.5/traces", b"\x92\x90\xdd\x00\x98\x96\x80" + b"\x90" * 10_000_000),
    "arrays in arrays": ("/v0.4/traces", b"\x91" * 1_000_000),
    "maps in maps": ("/v0.4/traces", b"\x91\x91" + b"\x81\xa1x" * 1_000_000),
    "a string that is not in the table": (
        "/v0.5/traces", msgspec.msgpack.encode([[""], [[[9] * 3 + [1, 1, 0, 1, 1, 0, {}, {}, 0]]]]),
    ),
    "a string from the table's end": (
        "/v0.5/traces", msgspec.msgpack.encode([[""], [[[-1] * 3 + [1, 1, 0, 1, 1, 0, {}, {}, 0]]]]),
    ),
    "ten million empty spans": ("/api/v0.2/traces", b""),
    "brackets": ("/api/v2/databasequery", b"[" * 5_000_000),
    "objects": ("/api/v2/dbmmetadata", b'[{"a":' * 1_000_000),
    "a number beyond 64 bits": (
        "/api/v2/dbmmetrics", p.metrics().replace(b'"calls": 3', b'"calls": 99999999999999999999999'),
    ),
    "a negative count": ("/api/v2/dbmmetrics", p.metrics().replace(b'"calls": 3', b'"calls": -3')),
    "no number": ("/api/v2/dbmmetrics", p.metrics().replace(b"1.5", b"NaN")),
    "a time without end": ("/api/v2/dbmmetrics", p.metrics().replace(str(p.AT_MS).encode(), b"1e300")),
    "a session of the year 4816": (
        "/api/v2/dbmactivity", p.activity().replace(f"{p.QUERY_STARTED:%Y-}".encode(), b"4816-", 1),
    ),
    "half a surrogate": ("/api/v2/databasequery", p.samples().replace(b"SELECT *", b"\\ud800")),
    "a plan that is none": (
        "/api/v2/databasequery", p.samples().replace(b'{\\"Plan\\"', b'{\\"Nonsense\\"'),
    ),
    "metadata without end": (
        "/api/v2/dbmmetadata", p.metadata().replace(b'"8192"', b"[" * 30 + b"]" * 30),
    ),
}  # fmt: skip


def _empty_spans() -> bytes:
    def field(number: int, data: bytes) -> bytes:
        size, encoded = len(data), b""
        while size > 127:
            encoded += bytes([size & 127 | 128])
            size >>= 7
        return bytes([number << 3 | 2]) + encoded + bytes([size]) + data

    return field(5, field(6, b"\x1a\x00" * 10_000_000))


@pytest.mark.parametrize("what", BOMBS)
def test_bombs(what: str) -> None:
    """Small or deep or absurd bodies are refused at once, whatever they promise."""
    path, body = BOMBS[what]
    with pytest.raises(RejectedError) as refused:
        decode(path, body or _empty_spans())
    assert refused.value.status in {400, 413}


@pytest.mark.parametrize("path", BODIES)
def test_every_truncation_is_refused_or_shorter(path: str) -> None:
    """A body cut anywhere is refused with a 4xx, or (in protobuf) a shorter one; nothing else happens."""
    whole = BODIES[path]()
    most = len(decode(path))
    for cut in range(len(whole)):
        try:
            assert len(decode(path, whole[:cut])) <= most
        except RejectedError as refused:
            assert 400 <= refused.status < 500  # noqa: PT017


def test_a_limit_is_above_what_real_senders_send() -> None:
    """The limits let ddtrace's and an Agent's largest payloads through."""
    assert lim.MAX_BODY_BYTES > 20_000_000
    assert len(decode("/v0.5/traces", p.v05(20_000))) == 20_000
