"""What the intake refuses over HTTP: bodies that are not what their path is for."""

import pytest

from tests import payloads
from tests.fix_console import RunningConsole

# A field of 100 bytes is announced, and one follows: no protobuf message.
CUT = b"\x0a\x64x"
# A whole message whose one tracer payload, or series, is cut.
CUT_INSIDE = b"\x2a\x03" + CUT
CUT_SERIES = b"\x0a\x03" + CUT


@pytest.mark.parametrize(
    ("path", "stream", "body"),
    [
        ("/api/v0.2/traces", "traces_agent", CUT),
        ("/api/v0.2/traces", "traces_agent", CUT_INSIDE),
        ("/api/v0.2/traces", "traces_agent", payloads.agent_traces()[:-1]),
        ("/api/v2/series", "series", CUT),
        ("/api/v2/series", "series", CUT_SERIES),
        ("/api/v2/series", "series", b'{"series": '),
        ("/api/v1/series", "series", b"[1,"),
        ("/api/v0.2/stats", "trace_stats", b"\x92\x01"),
        ("/api/v0.2/stats", "trace_stats", b""),
        ("/api/v2/dbmhealth", "dbm_health", b"not JSON"),
        ("/api/v1/check_run", "check_run", b"{"),
        ("/intake/", "host_metadata", b"\xff"),
        ("/v0.4/traces", "traces_v04", b"\xc1"),
        ("/v0.5/traces", "traces_v05", b"\x92\x90"),
    ],
)
def test_a_malformed_body_is_refused_and_counted(
    console: RunningConsole, path: str, stream: str, body: bytes
) -> None:
    """The sender gets a 400 with a reason, the stream counts it, and nothing is counted as taken."""
    refused = f'lab_intake_rejected_total{{reason="malformed",stream="{stream}"}}'
    taken = f'lab_intake_items_total{{stream="{stream}"}}'
    before = console.metric(refused), console.metric(taken)
    answer = console.send("POST", path, body)
    assert (answer.status, len(answer.json()["errors"])) == (400, 1)
    assert answer.json()["errors"][0]
    assert (console.metric(refused), console.metric(taken)) == (before[0] + 1, before[1])


@pytest.mark.parametrize(
    ("path", "stream", "body", "items"),
    [
        ("/api/v2/series", "series", payloads.series(), 2),
        ("/api/v2/series", "series", b'{"series": []}', 0),
        ("/api/v1/check_run", "check_run", b"", 1),
        ("/api/v0.2/stats", "trace_stats", b"\x80", 0),
        ("/v0.5/traces", "traces_v05", payloads.v05(spans=3), 3),
    ],
)
def test_what_was_taken_is_counted_in_items_and_bytes(
    console: RunningConsole, path: str, stream: str, body: bytes, items: int
) -> None:
    names = (
        f'lab_intake_items_total{{stream="{stream}"}}',
        f'lab_intake_bytes_total{{stream="{stream}"}}',
    )
    before = [console.metric(name) for name in names]
    assert console.send("POST", path, body).status in {200, 202}
    grown = [console.metric(name) - was for name, was in zip(names, before, strict=True)]
    assert grown[0] == items
    assert grown[1] == len(body)
