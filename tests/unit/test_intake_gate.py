"""The intake's answers to requests: tokens, lengths, unknown paths, newer formats, a full queue."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lab.telemetry.intake import Gate, routes
from lab.telemetry.intake.guesses import MAX_ADDRESSES, MAX_WRONG, WINDOW_S, Guesses
from lab.telemetry.intake.limits import MAX_BODY_BYTES
from lab.telemetry.store import Record

TOKEN = "secret"
SERIES = b'{"series":[{"metric":"postgresql.commits","points":[[1795861036,1.0]]},{"metric":"b"}]}'
TRACES = b"\x91\x91\x84\xa8trace_id\x01\xa7span_id\x02\xa5start\x03\xa8duration\x04"


class Intake:
    """The routes with their telemetry, and a store that may be full."""

    def __init__(
        self, token: str | None = TOKEN, guesses: Guesses | None = None, *, full: bool = False
    ) -> None:
        self.counts: list[tuple[Any, ...]] = []
        self.records: list[Record] = []
        self._full = full
        self._app = Starlette(routes=routes(self._offer, Gate(token, guesses), self))

    def _offer(self, records: Sequence[Record]) -> bool:
        self.records += records
        return not self._full

    def accepted(self, stream: str, items: int, body_bytes: int) -> None:
        self.counts.append(("accepted", stream, items, body_bytes))

    def metric_points(self, points: Mapping[str, int]) -> None:
        self.counts.append(("points", dict(points)))

    def rejected(self, stream: str, reason: str) -> None:
        self.counts.append(("rejected", stream, reason))

    def unknown(self) -> None:
        self.counts.append(("unknown",))

    def unread(self, form: str) -> None:
        self.counts.append(("unread", form))

    def ask(
        self,
        path: str,
        body: bytes = SERIES,
        *,
        method: str = "POST",
        sender: str = "192.0.2.7",
        **headers: str,
    ) -> tuple[int, Any]:
        client = TestClient(self._app, client=(sender, 5))
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = client.request(method, path, content=body, headers=given)
        is_json = answer.headers.get("content-type") == "application/json"
        return answer.status_code, answer.json() if is_json else answer.text


FORBIDDEN = {"errors": ["LAB_CONSOLE_TOKEN is set here; send it as DD-API-KEY"]}


def test_a_payload_is_counted_as_its_sender_counts_it() -> None:
    """Series and points by name, also of names that are not stored."""
    intake = Intake()
    assert intake.ask("/api/v1/series", dd_api_key="secret") == (200, {"errors": []})
    assert intake.counts == [
        ("accepted", "series", 2, len(SERIES)), ("points", {"postgresql.commits": 1, "b": 0}),
    ]  # fmt: skip
    assert len(intake.records) == 2


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"dd_api_key": "secret"}, 200), ({"authorization": "Bearer secret"}, 200), ({}, 403),
        ({"dd_api_key": "wrong"}, 403), ({"authorization": "Bearer wrong"}, 403),
        ({"authorization": "Basic secret"}, 403),
        ({"dd_api_key": "wrong", "authorization": "Bearer secret"}, 403),
    ],
)  # fmt: skip
def test_the_token_is_an_api_key_or_a_bearer_token(headers: dict[str, Any], status: int) -> None:
    """Without a token of its own the intake accepts all requests."""
    intake = Intake()
    found = intake.ask("/api/v1/series", **headers)
    assert found == ((200, {"errors": []}) if status == 200 else (403, FORBIDDEN))
    if status == 403:
        assert intake.counts == [("rejected", "series", "token")]
        assert intake.records == []
    assert Intake(None).ask("/api/v1/series", **headers)[0] == 200


@pytest.mark.parametrize(
    ("sender", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.7", 403), ("unknown", 403)]
)
def test_a_tracer_of_this_machine_needs_no_token(sender: str, status: int) -> None:
    """Its protocol has none; an Agent's payloads need it from everywhere."""
    intake = Intake()
    assert intake.ask("/v0.4/traces", TRACES, sender=sender)[0] == status
    assert len(intake.records) == (status == 200)
    assert intake.ask("/api/v1/series", sender=sender)[0] == 403
    assert intake.ask("/v0.4/traces", TRACES, dd_api_key="secret")[0] == 200


def test_after_too_many_wrong_tokens_the_right_one_is_not_compared() -> None:
    """For the rest of the minute; a request without a token is no guess."""
    now = [0.0]
    intake = Intake(guesses=Guesses(lambda: now[0]))
    for _ in range(MAX_WRONG + 1):
        assert intake.ask("/api/v1/series")[0] == 403
    wrong = [intake.ask("/api/v1/series", dd_api_key="wrong")[0] for _ in range(MAX_WRONG)]
    assert wrong == [403] * 9 + [429]
    late = (429, {"errors": ["too many wrong tokens; retry in a minute"]})
    assert intake.ask("/api/v1/series", dd_api_key="secret") == late
    assert intake.ask("/api/v1/series", dd_api_key="secret", sender="192.0.2.8")[0] == 200
    now[0] = WINDOW_S - 0.1
    assert intake.ask("/api/v1/series", dd_api_key="secret") == late
    now[0] = WINDOW_S
    assert intake.ask("/api/v1/series", dd_api_key="secret")[0] == 200


def test_the_address_that_was_active_longest_ago_is_forgotten() -> None:
    """A thousand are tracked; a network of IPv6 is one of them, and all unknown addresses are one."""
    assert (MAX_WRONG, WINDOW_S, MAX_ADDRESSES) == (10, 60.0, 1_000)
    guesses = Guesses(lambda: 0.0)
    for address in ("192.0.2.1", "192.0.2.2"):
        for _ in range(MAX_WRONG):
            guesses.wrong(address)
    for number in range(MAX_ADDRESSES - 2):
        guesses.wrong(f"10.0.{number // 250}.{number % 250}")
    assert guesses.is_blocked("192.0.2.1")
    guesses.wrong("192.0.2.1")
    guesses.wrong("10.1.0.0")
    assert [guesses.is_blocked(f"192.0.2.{number}") for number in (1, 2)] == [True, False]
    for number in range(MAX_WRONG):
        guesses.wrong(f"2001:db8:0:{0:x}::{number + 1:x}")
        guesses.wrong("no address")
    assert guesses.is_blocked("2001:db8::ffff")
    assert not guesses.is_blocked("2001:db8:0:1::1")
    assert guesses.is_blocked("another")


def test_a_body_that_states_too_large_a_length_is_refused_at_once() -> None:
    intake = Intake()
    body = b" " * 10
    known = {"dd_api_key": "secret"}
    large = intake.ask("/api/v1/series", body, content_length=str(MAX_BODY_BYTES + 1), **known)
    assert large == (413, {"errors": [f"more than {MAX_BODY_BYTES} bytes, decompressed"]})
    assert intake.counts == [("rejected", "series", "too_large")]
    odd = intake.ask("/api/v1/series", SERIES, content_length=str(MAX_BODY_BYTES), **known)
    assert odd[0] == 200


def test_a_full_queue_is_answered_with_a_retry() -> None:
    """Only when there is something to store."""
    intake = Intake(full=True)
    busy = (429, {"errors": ["the store's queue is full; retry"]})
    assert intake.ask("/api/v1/series", dd_api_key="secret") == busy
    assert intake.counts == [("rejected", "series", "store_busy")]
    empty = b'{"series":[{"metric":"b"}]}'
    assert intake.ask("/api/v1/series", empty, dd_api_key="secret")[0] == 200


def test_an_unknown_path_is_accepted_and_an_unknown_page_is_not() -> None:
    """After a 404 an Agent would send the same payload again."""
    intake = Intake()
    assert intake.ask("/api/v2/new", b"x") == (200, {})
    assert intake.ask("/api/v2/new", b"", method="GET")[0] == 404
    assert intake.counts == [("unknown",), ("unknown",)]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v0.3/traces", 400), ("/api/v1/stats", 400), ("/v1.0/traces", 404), ("/v0.7/stats", 404),
        ("/v100/traces", 200), ("/api/v0.3/traces/x", 200), ("/x/v0.3/traces", 200),
    ],
)  # fmt: skip
def test_traces_in_a_newer_format_are_named(path: str, status: int) -> None:
    """An Agent gets a 400, a tracer a 404 after which it uses an older format; without the token nothing."""
    intake = Intake()
    found = intake.ask(path, b"x", dd_api_key="secret")
    if status == 200:
        assert found == (200, {})
        assert intake.counts == [("unknown",)]
    else:
        words = f"this version of the lab cannot decode traces as POST {path}"
        assert found == (status, {"errors": [words]})
        assert intake.counts == [
            ("unknown",), ("rejected", "unknown", "unread_form"), ("unread", f"POST {path}"),
        ]  # fmt: skip
    assert intake.ask(path, b"x") == (200, {})


def test_answers_of_the_endpoints() -> None:
    """As an Agent and a tracer expect them; both methods of a tracer are accepted."""
    intake = Intake(None)
    assert intake.ask("/api/v1/validate", b"", method="GET") == (200, {"valid": True})
    info = intake.ask("/info", b"", method="GET")[1]
    assert info["endpoints"] == ["/v0.4/traces", "/v0.5/traces", "/telemetry/proxy/"]
    assert info["client_drop_p0s"] is False
    rates = {"rate_by_service": {"service:,env:": 1.0}}
    assert intake.ask("/v0.4/traces", TRACES, method="PUT") == (200, rates)
    assert intake.ask("/api/v0.2/stats", b"\x80")[0] == 202
    assert intake.ask("/api/v2/dbmhealth", b"") == (200, {"errors": []})
    status, said = intake.ask("/api/v2/dbmhealth", b"{")
    assert status == 400
    assert said["errors"][0].startswith("not JSON: ")
