"""Bytes of the Agent's protobuf payloads, written by hand: the numbers of fields are those of its .proto.

The other tests build payloads with the lab's own schema; they cannot see a wrong number in it.
"""

import struct

import pytest

from lab.foundation import clock
from lab.telemetry.intake import STREAMS, RejectedError
from lab.telemetry.intake.protobuf import LARGE_BYTES, message
from lab.telemetry.store import MetricPoint, MetricSeries, MetricType, Record, Span

START = clock.now_ns() // 1_000_000_000 * 1_000_000_000
HIGH, LOW = "67405d1f00000000", 0xA1B2C3D4E5F60718


def varint(value: int) -> bytes:
    """Write seven bits a byte, the lowest first."""
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def field(number: int, value: float | str | bytes) -> bytes:
    """A field: a varint for an integer, eight bytes for a float, else a length and bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def pair(number: int, key: str | int, value: float | str | bytes) -> bytes:
    """An entry of a map."""
    return field(number, field(1, key) + field(2, value))


def fixed64(number: int, value: int) -> bytes:
    return varint(number << 3 | 1) + struct.pack("<Q", value)


def spans(payload: bytes) -> list[Record]:
    return list(STREAMS["/api/v0.2/traces"].decode(payload).records)


def expected(**changed: object) -> Span:
    known: dict[str, object] = {
        "trace_id": f"{HIGH}{LOW:016x}", "span_id": f"{42:016x}", "parent_id": f"{7:016x}",
        "service": "credit-risk", "name": "postgres.query", "resource": "SELECT ?", "kind": "sql",
        "start_ns": START, "duration_ns": 5_000, "error": True,
    }  # fmt: skip
    return Span(**{**known, **changed})  # type: ignore[arg-type]


def test_a_trace_of_an_agent() -> None:
    """Text, ids, times, tags and numbers of a span, and the tags of its tracer."""
    span = b"".join([
        field(1, "credit-risk"), field(2, "postgres.query"), field(3, "SELECT 1"), field(4, LOW),
        field(5, 42), field(6, 7), field(7, START), field(8, 5_000), field(9, 1),
        pair(10, "_dd.p.tid", HIGH), pair(10, "db.system", "postgresql"), pair(11, "db.row_count", 3.0),
        field(12, "sql"),
    ])  # fmt: skip
    chunk = field(1, 2) + field(2, "lambda") + field(3, span)
    tracer = b"".join([
        field(1, "id"), field(2, "python"), field(3, "3.11"), field(4, "4.0"), field(6, chunk),
        field(8, "prod"), field(9, "host"), field(10, "1.2.3"),
    ])  # fmt: skip
    [found] = spans(field(1, "host") + field(2, "lab") + field(5, tracer) + field(7, "7.71.0"))
    assert found == expected(
        tags={
            "env": "prod", "version": "1.2.3", "language": "python", "_dd.p.tid": HIGH,
            "db.system": "postgresql", "db.row_count": 3.0,
        }
    )  # fmt: skip
    [of_agent] = spans(field(2, "lab") + field(5, field(6, chunk)))
    assert isinstance(of_agent, Span)
    assert of_agent.tags["env"] == "lab"
    assert "version" not in of_agent.tags


def test_a_trace_of_an_agent_in_the_idx_format() -> None:
    """Text by its number in the table of strings; attributes are text, flags and numbers."""
    strings = [
        "", "python", "prod", "1.2.3", "credit-risk", "postgres.query", "SELECT 1", "sql", "db.system",
        "postgresql", "db.row_count", "http.route", "credit.score", "psycopg", "staging", "1.2.4",
    ]  # fmt: skip

    def ref(text: str) -> int:
        return strings.index(text)

    span = b"".join([
        field(1, ref("credit-risk")), field(2, ref("postgres.query")), field(3, ref("SELECT 1")),
        fixed64(4, 42), field(5, 7), fixed64(6, START), field(7, 5_000), field(8, 1),
        pair(9, ref("db.system"), field(1, ref("postgresql"))), pair(9, ref("http.route"), field(2, 1)),
        pair(9, ref("credit.score"), field(3, 1.5)), pair(9, ref("db.row_count"), field(4, 3)),
        field(10, ref("sql")), field(13, ref("staging")), field(14, ref("1.2.4")),
        field(15, ref("psycopg")), field(16, 3),
    ])  # fmt: skip
    others = pair(9, ref("db.system"), field(5, b"x")), pair(9, ref("db.system"), field(6, b""))
    plain = span.replace(field(16, 3), field(16, 6)) + b"".join(others)
    chunk = (
        field(1, 2)
        + field(4, span)
        + field(4, plain)
        + field(6, bytes.fromhex(HIGH) + LOW.to_bytes(8))
    )
    tracer = b"".join([
        *(field(1, text) for text in strings), field(3, ref("python")), field(8, ref("prod")),
        field(10, ref("1.2.3")), field(12, chunk),
    ])  # fmt: skip
    first, second = spans(field(2, "lab") + field(11, tracer))
    tags = {
        "env": "staging", "version": "1.2.4", "language": "python", "db.row_count": 3.0,
        "credit.score": 1.5, "component": "psycopg", "http.route": "true",
    }  # fmt: skip
    own = {"db.system": "postgresql", "span.kind": "client", "_dd.p.tid": HIGH}
    assert first == expected(tags={**tags, **own, "_sampling_priority_v1": 2.0})
    assert isinstance(second, Span)
    # Bytes and arrays are ignored, and so is a kind that does not exist.
    assert second.tags == tags
    of_tracer = field(6, bytes.fromhex(HIGH) + LOW.to_bytes(8)) + field(
        4, span[: span.index(field(13, ref("staging")))]
    )
    tracer = tracer.replace(field(12, chunk), field(12, of_tracer))
    [third] = spans(field(2, "lab") + field(11, tracer))
    assert isinstance(third, Span)
    assert (third.tags["env"], third.tags["version"]) == ("prod", "1.2.3")


@pytest.mark.parametrize("number", [-1, 6, 100])
def test_a_kind_of_span_that_does_not_exist_is_left_out(number: int) -> None:
    """A negative number does not count from the end of the list."""
    strings = b"".join(field(1, text) for text in ("", "a"))
    kind = field(16, number & (1 << 64) - 1)
    span = field(1, 1) + fixed64(4, 42) + fixed64(6, START) + kind
    chunk = field(4, span) + field(6, bytes.fromhex(HIGH) + LOW.to_bytes(8))
    [found] = spans(field(11, strings + field(12, chunk)))
    assert isinstance(found, Span)
    assert "span.kind" not in found.tags


def test_a_newer_field_with_traces_is_named() -> None:
    """Of a payload without known traces: an unknown field above the known ones that is no number."""
    assert spans(field(1, "host") + field(12, "edge")) == []
    assert spans(field(13, 5)) == []
    with pytest.raises(RejectedError, match="field 13 of AgentPayload") as refused:
        spans(field(1, "host") + field(13, b"traces"))
    assert refused.value.status == 400


def test_a_series_of_an_agent() -> None:
    resource = field(1, "host") + field(2, "db")
    other = field(1, "device") + field(2, "disk")
    points = [
        field(1, 14.5) + field(2, START // 10**9),
        field(1, 15.5) + field(2, START // 10**9 - 15),
    ]
    series = b"".join([
        field(1, other), field(1, resource), field(2, "postgresql.commits"), field(3, "db:creditdb"),
        *(field(4, point) for point in points), field(5, 3), field(6, "unit"), field(7, "source"),
        field(8, 15), field(9, b""),
    ])  # fmt: skip
    decoded = STREAMS["/api/v2/series"].decode(field(1, series))
    found, first, second = decoded.records
    assert isinstance(found, MetricSeries)
    assert (found.host, found.name, found.type) == ("db", "postgresql.commits", MetricType.GAUGE)
    assert (found.interval_s, found.tags, found.seen_ns) == (15.0, ("db:creditdb",), START)
    assert isinstance(first, MetricPoint)
    assert isinstance(second, MetricPoint)
    assert [(one.at_ns, one.value) for one in (first, second)] == [
        (START, 14.5),
        (START - 15 * 10**9, 15.5),
    ]
    assert (decoded.items, decoded.metric_points) == (1, {"postgresql.commits": 2})


@pytest.mark.parametrize(
    "before",
    [
        field(1, 300), field(1, 1.5), varint(1 << 3 | 5) + b"1234", field(1, "x" * 300),
        varint(1 << 3 | 3) + field(2, 1) + varint(1 << 3 | 4), field(1, (1 << 64) - 1),
    ],
    ids=["varint", "eight bytes", "four bytes", "text", "group", "longest varint"],
)  # fmt: skip
@pytest.mark.parametrize("more", [0, 1])
def test_fields_of_a_large_message_are_counted_by_their_lengths(
    monkeypatch: pytest.MonkeyPatch, before: bytes, more: int
) -> None:
    """As many as are allowed are decoded, one more is refused; each form of a field has its own length."""
    monkeypatch.setattr("lab.telemetry.intake.protobuf.MAX_FIELDS", 8)
    # Begin, content and end of a group are three.
    count = 3 if before[0] == (1 << 3 | 3) else 1
    filler = field(3, b"z" * (LARGE_BYTES + 1))
    data = before * 2 + field(2, "") * (8 - 2 * count - 1 + more) + filler
    if more:
        with pytest.raises(RejectedError, match="more than 8 fields in one message") as refused:
            message("TraceChunk", data)
        assert (refused.value.status, refused.value.reason) == (413, "too_many")
    else:
        message("TraceChunk", data)
