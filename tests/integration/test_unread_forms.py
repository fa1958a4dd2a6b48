"""Traces in a form that is newer than this version: refused, and named once by `status`."""

from http import HTTPStatus

import pytest

from lab.stack.intake_rates import IntakeRates
from lab.telemetry.intake import agent
from lab.telemetry.intake.errors import RejectedError
from tests import payloads
from tests.fix_console import RunningConsole

# Field 13 of an AgentPayload, with three bytes: beyond those that are published today.
FIELD_13 = b"\x6a\x03abc"
# Fields 8, targetTPS, and 12, APMMode: published, and read by nothing here.
PUBLISHED = b"\x41" + bytes(8) + b"\x62\x04full"
REJECTED = 'lab_intake_rejected_total{reason="unread_form",stream="unknown"}'


def test_newer_paths_and_fields_are_refused_and_named_once(console: RunningConsole) -> None:
    """An Agent drops the payload (400); a tracer goes back to an older form (404)."""
    rejected = console.metric(REJECTED)
    for path, body, status in [
        ("/api/v0.3/traces", b"new", HTTPStatus.BAD_REQUEST),
        ("/api/v0.3/traces", b"new", HTTPStatus.BAD_REQUEST),
        ("/v1.0/traces", b"new", HTTPStatus.NOT_FOUND),
        ("/api/v0.2/traces", FIELD_13, HTTPStatus.BAD_REQUEST),
    ]:
        answer = console.send("POST", path, body)
        assert (answer.status, "cannot decode" in answer.body.decode()) == (status, True), path
    assert console.metric(REJECTED) == rejected + 3
    health = console.send("GET", "/healthz").json()
    named = ["POST /api/v0.3/traces", "POST /v1.0/traces", "field 13 of AgentPayload"]
    assert health["unread_forms"] == named
    rates = IntakeRates(**health["rates"], store_bytes=0, unread_forms=tuple(named))
    [line] = [line for line in str(rates).splitlines() if line.startswith("traces: refused")]
    assert line.count("POST /api/v0.3/traces") == 1
    assert "Agent's version" in line


def test_a_path_that_only_resembles_traces_is_answered_as_before(console: RunningConsole) -> None:
    for path in ("/api/v9/novelty", "/api/v0.3/traces/x", "/api/v0.3000/traces", "/x/v0.3/traces"):
        assert console.send("POST", path, b"x").status == HTTPStatus.OK, path


def test_what_can_be_read_beside_a_newer_field_is_taken() -> None:
    """A field that comes on top, and fields of today that nothing here reads, cost no span."""
    for more in (FIELD_13, PUBLISHED):
        assert len(agent.traces(payloads.agent_traces() + more)) == 2
        assert len(agent.traces(payloads.idx_traces() + more)) == 2
    assert agent.traces(PUBLISHED) == []
    with pytest.raises(RejectedError, match="field 13 of AgentPayload"):
        agent.traces(FIELD_13)
