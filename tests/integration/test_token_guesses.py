"""Wrong tokens for the console: a bounded number from each address, logged without what was sent."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import pytest

from lab.telemetry.intake.guesses import MAX_WRONG, WINDOW_S, Guesses
from tests.fix_console import RunningConsole, start_console

TOKEN = "the right token"
GUESS = "a-guess-that-no-log-may-hold"
ROUTES = (("GET", "/metrics"), ("GET", "/api/drilldown/queries"), ("POST", "/intake/"))


def test_an_address_is_blocked_for_the_rest_of_its_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The first wrong token and the last are logged; others in the same network are not blocked."""
    now = [1000.0]
    guesses = Guesses(lambda: now[0])
    for number in range(MAX_WRONG + 5):
        assert guesses.is_blocked("192.0.2.7") == (number >= MAX_WRONG)
        guesses.wrong("192.0.2.7")
    assert not guesses.is_blocked("192.0.2.8")
    assert [record.getMessage() for record in caplog.records] == [
        "a wrong token from 192.0.2.7",
        "10 wrong tokens from 192.0.2.7; its requests are refused for 60 s",
    ]
    now[0] += WINDOW_S
    assert not guesses.is_blocked("192.0.2.7")


def test_an_ipv6_network_is_one_sender_and_memory_is_bounded() -> None:
    """A client with a /64 network has more addresses than could be counted."""
    guesses = Guesses(lambda: 0.0)
    for number in range(MAX_WRONG):
        guesses.wrong(f"2001:db8::{number + 1:x}")
    assert guesses.is_blocked("2001:db8::ffff")
    for number in range(5_000):
        guesses.wrong(f"10.0.{number // 250}.{number % 250}")
    assert len(guesses._senders) <= 1_000


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console with a token; its output is in the file `log` of its state directory."""
    state = tmp_path_factory.mktemp("console")
    running = start_console(state, state / "log", LAB_CONSOLE_TOKEN=TOKEN)
    try:
        yield running
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("way", "sender"),
    [
        ("login", "127.0.0.2"),
        ("bearer", "127.0.0.3"),
        ("api key", "127.0.0.4"),
        ("cookie", "127.0.0.5"),
    ],
)
def test_guessing_ends_whatever_way_it_goes(console: RunningConsole, way: str, sender: str) -> None:
    """After ten wrong ones even the right one is refused for a while, and no log holds a guess."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    console = replace(console, sender=sender)

    def send(token: str) -> int:
        if way == "login":
            return console.send("POST", "/login", f"token={quote(token)}".encode(), form).status
        headers = {
            "bearer": {"Authorization": f"Bearer {token}"},
            "api key": {"DD-API-KEY": token},
            "cookie": {"Cookie": f"credit_lab={token}"},
        }[way]
        return console.send("GET", "/metrics" if way != "cookie" else "/", headers=headers).status

    assert send(TOKEN) in {200, 303} or way == "cookie"
    refused = {send(f"{GUESS}{number}") for number in range(MAX_WRONG)}
    assert refused <= {401, 403}
    assert send(TOKEN) in {401, 403, 429}
    right = {"DD-API-KEY": TOKEN}
    assert console.send("POST", "/intake/", b"{}", right).status == 429
    reported = (console.state / "log").read_text(encoding="utf-8")
    assert f"10 wrong tokens from {sender}" in reported
    assert GUESS not in reported
    assert TOKEN not in reported
