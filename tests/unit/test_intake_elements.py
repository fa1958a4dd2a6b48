"""Lists of tiny elements: counted before they are decoded, to the element."""

import msgspec
import pytest

from lab.telemetry.intake.errors import RejectedError, require_few_elements
from lab.telemetry.intake.limits import MAX_ELEMENTS, MAX_FIELDS, MAX_ROWS
from lab.telemetry.intake.protobuf import LARGE_BYTES, message
from lab.telemetry.intake.trace_stats import trace_stats

EMPTY_SERIES = b"\x0a\0"
# Fields of other kinds: a varint, eight bytes, four bytes, a group that begins and ends.
OTHERS = b"\x50\xff\x01" + b"\x51" + bytes(8) + b"\x55" + bytes(4) + b"\x53\x54"


def test_commas_of_json() -> None:
    require_few_elements(b"," * MAX_ELEMENTS)
    with pytest.raises(RejectedError, match="1500000 elements in one JSON body") as refused:
        require_few_elements(b"," * (MAX_ELEMENTS + 1))
    assert refused.value.status == 413


@pytest.mark.parametrize("before", [b"", OTHERS])
def test_fields_of_protobuf(before: bytes) -> None:
    """Each field of any kind counts once; as many as are allowed are decoded."""
    fields = MAX_FIELDS - (5 if before else 0)
    large = before + EMPTY_SERIES * (fields - 1) + b"\x0a\x80\x80\x40" + bytes(LARGE_BYTES)
    assert len(message("MetricPayload", large).series) == fields
    with pytest.raises(RejectedError, match="500000 fields in one message") as refused:
        message("MetricPayload", large + EMPTY_SERIES)
    assert refused.value.status == 413


@pytest.mark.parametrize(
    "body", [b"\xff" * LARGE_BYTES * 2, b"\x0a\xff\xff\xff\x7f" + b"a" * LARGE_BYTES]
)
def test_what_is_no_protobuf_is_malformed(body: bytes) -> None:
    """An endless number, and a length beyond the end."""
    with pytest.raises(RejectedError) as refused:
        message("MetricPayload", body)
    assert refused.value.status == 400


def test_groups_of_trace_statistics() -> None:
    """Also groups that add nothing to what is stored."""

    bucket = {"Start": 1, "Duration": 1, "Stats": [{}] * (MAX_ROWS - 1)}
    encode = msgspec.msgpack.encode
    assert len(trace_stats(encode({"Stats": [{"Stats": [bucket]}]}))) == 1
    with pytest.raises(RejectedError, match="records in one payload"):
        trace_stats(encode({"Stats": [{"Stats": [bucket]}, {"Stats": [bucket]}]}))
