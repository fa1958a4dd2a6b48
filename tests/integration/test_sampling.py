"""A receiver behind an Agent that samples: what it did not send on is called sampled, not missing."""

import http.client

import msgspec
import pytest

from lab.drilldown.remote import API
from lab.foundation import clock
from lab.foundation.readiness import await_state
from lab.stack.intake_rates import IntakeRates
from lab.telemetry.store import Span, TraceStats
from tests import payloads
from tests.fix_console import RunningConsole

STORED_WITHIN_S = 150
UNKNOWN = "0" * 15 + "1" + "0" * 15 + "2"
# Past the seconds in which spans and statistics may still be on their way.
AGO_NS = 60 * 1_000_000_000


def stats(traces: int) -> bytes:
    """Return a StatsPayload as an Agent sends it: so many traces of one operation in ten seconds."""
    grouped = {
        "Service": "credit-customers",
        "Name": "credit.operation",
        "Resource": "lookup",
        "Hits": traces,
        "Errors": 1,
        "Duration": traces * 1_000_000,
        "OkSummary": b"\x00",
        "TopLevelHits": traces,
    }
    bucket = {"Start": clock.now_ns() - AGO_NS, "Duration": 10_000_000_000, "Stats": [grouped]}
    client = {"Hostname": "h", "Env": "lab", "Stats": [bucket]}
    return msgspec.msgpack.encode({"AgentHostname": "h", "Stats": [client]})


def traces(number: int) -> bytes:
    """Return a v0.5 payload of so many traces of one span."""
    strings = ["", "credit-customers", "credit.operation", "lookup"]
    start = clock.now_ns() - AGO_NS
    spans: list[object] = [
        [(1, 2, 3, n, n, 0, start + n, 1000, 0, {}, {}, 0)] for n in range(1, number + 1)
    ]
    return msgspec.msgpack.encode([strings, spans])


@pytest.fixture
def sampled(console: RunningConsole) -> RunningConsole:
    """A console whose Agent counted 200 traces and sent 50 of them."""
    assert console.send("POST", "/api/v0.2/stats", stats(200)).status == http.client.ACCEPTED
    assert console.send("POST", "/v0.5/traces", traces(50)).status == http.client.OK

    def unread() -> str | None:
        spans = len(console.reader.select(Span))
        statistics = len(console.reader.select(TraceStats))
        return None if spans == 50 and statistics else f"{spans} spans, {statistics} statistics"

    await_state("spans and statistics are stored", unread, within_s=STORED_WITHIN_S)
    return console


def test_what_the_agent_dropped_is_called_sampled(sampled: RunningConsole) -> None:
    """By the answer for a trace that is not there, its page, the overview, and /healthz and so `status`."""
    answer = sampled.send("GET", f"{API}/trace/{UNKNOWN}")
    assert answer.status == http.client.NOT_FOUND
    [error] = answer.json()["errors"]
    assert "sampled by the Agent: it kept 25 % of 200 traces" in error
    assert "DD_APM_TARGET_TPS" in error
    page = sampled.send("GET", f"/traces/{UNKNOWN}")
    assert b"sampled by the Agent" in page.body
    assert b"sampled by the Agent: it kept 25 % of 200 traces" in sampled.send("GET", "/").body

    def unsaid() -> str | None:
        said = sampled.send("GET", "/healthz").json()["traces_sampled_away"]
        return None if said else "nothing"

    await_state("/healthz reports it", unsaid, within_s=STORED_WITHIN_S)
    health = sampled.send("GET", "/healthz").json()
    rates = IntakeRates(
        **health["rates"], store_bytes=0, traces_sampled_away=health["traces_sampled_away"]
    )
    assert "traces: sampled by the Agent: it kept 25 %" in str(rates)


def test_a_malformed_statistic_is_refused(console: RunningConsole) -> None:
    body = msgspec.msgpack.encode({"Stats": [{"Stats": [{"Start": "now"}]}]})
    assert console.send("POST", "/api/v0.2/stats", body).status == http.client.BAD_REQUEST
    assert console.send("POST", "/api/v0.2/stats", payloads.v05()).status == http.client.BAD_REQUEST
