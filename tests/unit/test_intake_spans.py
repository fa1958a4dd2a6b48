"""Spans and statistics of traces: ids, times and errors at their bounds, sums over resources."""

from typing import Any

import msgspec
import pytest

from lab.telemetry.intake import STREAMS, RejectedError
from lab.telemetry.store import Record, Span, TraceStats


def spans(*fields: dict[str, Any]) -> list[Record]:
    known = {"trace_id": 1, "span_id": 2, "start": 3, "duration": 4, "service": "s", "name": "n"}
    body = msgspec.msgpack.encode([[{**known, **each} for each in fields]])
    return list(STREAMS["/v0.4/traces"].decode(body).records)


@pytest.mark.parametrize(
    ("fields", "is_valid"),
    [
        ({"trace_id": 2**64 - 1, "span_id": 2**64 - 1}, True), ({"start": 2**62 - 1}, True),
        ({"start": 2**62}, False), ({"duration": 2**62 - 1}, True), ({"duration": 2**62}, False),
        ({"span_id": 1, "start": 1, "duration": 0}, True), ({"trace_id": 0}, False),
        ({"span_id": 0}, False), ({"start": 0}, False),
    ],
)  # fmt: skip
def test_a_span_within_its_bounds(fields: dict[str, Any], is_valid: bool) -> None:
    if is_valid:
        assert len(spans(fields)) == 1
    else:
        with pytest.raises(RejectedError):
            spans(fields)


def test_a_chunk_has_one_trace_id() -> None:
    """Its high half is in a tag of any span; without a well-formed one it is zero."""
    high = {"_dd.p.tid": "67405d1f00000000"}
    first, second = spans({"parent_id": -1, "error": 2}, {"meta": high, "parent_id": 0, "error": 0})
    assert isinstance(first, Span)
    assert isinstance(second, Span)
    assert first.trace_id == second.trace_id == "67405d1f00000000" + f"{1:016x}"
    assert (first.parent_id, second.parent_id) == ("f" * 16, None)
    assert (first.error, second.error) == (True, False)
    [alone] = spans({"meta": {"_dd.p.tid": "67405D1F"}})
    assert isinstance(alone, Span)
    assert alone.trace_id == f"{1:032x}"


def test_the_message_of_an_error_is_that_of_postgresql() -> None:
    """By the SQLSTATE of the driver's exception; any other message is not stored."""
    text = 'duplicate key value violates unique constraint "customers_cpf_key"\nDETAIL: (cpf)=(1)'
    for kind, expected in (
        ("psycopg2.errors.UniqueViolation", text.partition("\n")[0]), ("ValueError", "?"),
        ("other.errors.UniqueViolation", "?"), ("psycopg.errors.UniqueViolation", text.partition("\n")[0]),
    ):  # fmt: skip
        [found] = spans({"meta": {"error.msg": text, "error.type": kind}})
        assert isinstance(found, Span)
        assert found.tags["error.message"] == expected


def test_statistics_are_summed_over_resources() -> None:
    group = {"Service": "credit-risk", "Name": "op", "Hits": 2, "Errors": 1, "Duration": 10}
    other = {"Service": "credit-risk", "Name": "", "Hits": 1}
    bucket = {"Start": 5, "Duration": 7, "Stats": [group, {**group, "Hits": 3}, other]}
    body = msgspec.msgpack.encode({"Stats": [{"Stats": [bucket]}]})
    first, second = STREAMS["/api/v0.2/stats"].decode(body).records
    assert first == TraceStats(
        at_ns=5, interval_ns=7, service="credit-risk", name="op", hits=5, errors=2, duration_ns=20
    )
    assert isinstance(second, TraceStats)
    assert (second.name, second.hits, second.errors, second.duration_ns) == ("?", 1, 0, 0)
