"""Attacks on memory and connections of real processes: neither grows without bound, readers are answered."""

import http.client
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest
import zstandard

from lab.foundation.readiness import await_state
from lab.stack.native.cluster import Cluster
from lab.telemetry.intake import limits
from tests import payloads
from tests.fix_console import RunningConsole, start_console
from tests.fix_workload import Process, cloned, running_service

MB = 1_000_000
# The console's limit in docker-compose.yml, and in Kubernetes: 320 MiB.
CONTAINER_MB = 335
PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
SENDERS = 16
WITHIN_S = 60
ZSTD = {"Content-Encoding": "zstd"}


@pytest.fixture
def console(tmp_path: Path) -> Iterator[RunningConsole]:
    """A console of the test's own: its peak of memory is that of the test."""
    running = start_console(tmp_path)
    try:
        yield running
    finally:
        running.stop()


def peak_mb(console: RunningConsole) -> float:
    """Return the largest resident size that the process has had."""
    found = PEAK.search(Path(f"/proc/{console.process.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024 / MB


def flood(console: RunningConsole, path: str, bodies: list[bytes], **headers: str) -> list[int]:
    """Send bodies from many threads at once, and return the status of each answer; 0 for none."""
    waiting, statuses = list(bodies), []

    def send() -> None:
        while waiting:
            try:
                body = waiting.pop()
                statuses.append(console.send("POST", path, body, headers).status)
            except IndexError:
                return
            except (OSError, http.client.HTTPException):
                statuses.append(0)

    threads = [threading.Thread(target=send) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def bomb(size: int, window_log: int = 21) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(compression_level=3, window_log=window_log)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return stream.compress(b"\0" * size) + stream.flush()


def test_small_bodies_that_stand_for_gigabytes(console: RunningConsole) -> None:
    """150 bodies of some 800 bytes, 24 MiB each when decompressed, took 3.8 GB without a budget."""
    body = bomb(limits.MAX_BODY_BYTES - 1)
    assert len(body) < 2_500
    statuses = flood(console, "/v0.5/traces", [body] * 150, **{"Content-Encoding": "zstd"})
    assert set(statuses) <= {400, 429}
    assert peak_mb(console) < CONTAINER_MB
    assert console.send("POST", "/v0.5/traces", payloads.v05()).status == 200


def test_windows_that_stand_for_gigabytes(console: RunningConsole) -> None:
    """A frame that asks for a window of 128 MiB is refused; those of 8 MiB are counted."""
    assert console.send("POST", "/v0.5/traces", bomb(20 * MB, 27), ZSTD).status == 400
    statuses = flood(console, "/v0.5/traces", [bomb(20 * MB, 23)] * 64, **ZSTD)
    assert set(statuses) <= {400, 429}
    assert peak_mb(console) < CONTAINER_MB


SPAN_V04 = {"trace_id": 1, "span_id": 1, "start": 1, "duration": 0}
SPAN_V05: list[object] = [0, 0, 0, 1, 1, 0, 1, 0, 0, {}, {}, 0]
METRICS_ROW, SESSION = b'{"query_signature":""}', b'{"pid":1}'


def events(field: str, row: bytes, events: int) -> bytes:
    """Return an array of events with 19,000 equal rows each."""
    one = b'{"timestamp":1,"%b":[%b]}' % (field.encode(), b",".join([row] * 19_000))
    return b"[%b]" % b",".join([one] * events)


def many_tags() -> bytes:
    tags = dict.fromkeys(range(3_000_000), 0)
    return msgspec.msgpack.encode([[""], [[[*SPAN_V05[:9], tags, {}, 0]]]])


def many_lists() -> bytes:
    lists = b",".join([b"[]"] * 7_000_000)
    return b'[{"timestamp":1,"kind":"pg_settings","metadata":[{"a":[%b]}]}]' % lists


HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "spans of thirteen bytes": (
        "/v0.5/traces",
        lambda: msgspec.msgpack.encode([[""], [[SPAN_V05] * 49_000] * 30]),
    ),
    "tags of one span": ("/v0.5/traces", many_tags),
    "spans as maps": ("/v0.4/traces", lambda: msgspec.msgpack.encode([[SPAN_V04] * 40_000] * 13)),
    "rows of query metrics": (
        "/api/v2/dbmmetrics",
        lambda: events("postgres_rows", METRICS_ROW, 50),
    ),
    "sessions": ("/api/v2/dbmactivity", lambda: events("postgres_activity", SESSION, 110)),
    "lists within metadata": ("/api/v2/dbmmetadata", many_lists),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_body_that_is_small_beside_what_it_stands_for(console: RunningConsole, what: str) -> None:
    """Two dozen megabytes that would be built up to gigabytes of objects are refused before."""
    path, make = HOSTILE[what]
    body = make()
    assert len(body) <= limits.MAX_BODY_BYTES
    statuses = flood(console, path, [body] * 3)
    assert set(statuses) <= {400, 413, 429}
    assert peak_mb(console) < CONTAINER_MB


@contextmanager
def connections(port: int, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    """Open connections that send the beginning of a request, and no more."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=90))
            sock.sendall(first)
            opened.append(sock)
        yield opened


HALF = {
    "nothing": b"",
    "half a header": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-",
    "a body that never comes": (
        b"POST /v0.5/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nx"
    ),
}


@pytest.mark.parametrize("what", HALF)
def test_three_hundred_connections_that_send_no_more(console: RunningConsole, what: str) -> None:
    """The page, the scrape, the health check and a genuine sender are answered as if nothing were there."""
    with connections(console.port, 300, HALF[what]):
        for path in ("/healthz", "/metrics", "/drills"):
            assert console.send("GET", path).status == 200
        assert console.send("POST", "/v0.5/traces", payloads.v05()).status == 200


@contextmanager
def endless_bodies(console: RunningConsole, count: int) -> Iterator[list[int]]:
    """Send chunked bodies that never end, each as fast as the console reads; yields bytes sent by each."""
    stop, sent = threading.Event(), [0] * count
    head = b"POST /v0.5/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"\0" * 65_536 + b"\r\n"

    def send(number: int) -> None:
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", console.port), timeout=60) as sock:
                    sock.sendall(head)
                    # Just below the limit of one body, then a trickle: what it holds, it goes on holding.
                    while not stop.is_set():
                        large = sent[number] < limits.MAX_BODY_BYTES - 200_000
                        sock.sendall(chunk if large else b"1\r\nx\r\n")
                        sent[number] += len(chunk) if large else 1
                        if not large and stop.wait(0.2):
                            return
            except OSError:
                sent[number] = 0

    threads = [threading.Thread(target=send, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield sent
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_endless_bodies_keep_nobody_out(console: RunningConsole) -> None:
    """Eight bodies that would take all of the room make it for a genuine one, and for every reader."""
    with endless_bodies(console, 8) as sent:

        def too_little() -> str | None:
            held = sum(sent) / MB
            return None if held > limits.MAX_BYTES_IN_FLIGHT / MB / 2 else f"{held:.0f} MB held"

        await_state("the endless bodies hold much", too_little, within_s=WITHIN_S)
        for _ in range(5):
            assert console.send("POST", "/v0.5/traces", payloads.v05(2_000)).status == 200
            for path in ("/healthz", "/metrics", "/drills"):
                assert console.send("GET", path).status == 200
    assert peak_mb(console) < CONTAINER_MB


@pytest.fixture(scope="module")
def shop(
    cluster: Cluster, seeded_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Process]:
    """The shop's real process, without simulated visitors."""
    quiet = {"rate_shop_browse": 0.0, "rate_shop_abandon": 0.0, "rate_shop_buy": 0.0}
    folder = tmp_path_factory.mktemp("shop")
    with cloned(cluster, seeded_template) as database:
        settings = database.settings.model_copy(update=quiet)
        with running_service("shop", settings, folder, {"DD_TRACE_ENABLED": "false"}) as process:
            yield process


@pytest.mark.parametrize("what", HALF)
def test_the_shop_is_open_beside_half_open_connections(shop: Process, what: str) -> None:
    """300 of them make room for a visitor, a scrape and a health check."""
    port = int(shop.client.address.rpartition(":")[2])
    with connections(port, 300, HALF[what]):
        for path in ("/", "/healthz", "/metrics"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
            connection.request("GET", path)
            assert connection.getresponse().status == 200
            connection.close()


def test_a_trickle_of_a_header_ends(shop: Process, console: RunningConsole) -> None:
    """A byte now and then keeps a connection no longer than a header may take."""
    for port in (console.port, int(shop.client.address.rpartition(":")[2])):
        with socket.create_connection(("127.0.0.1", port), timeout=90) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")

            def still_open(sock: socket.socket = sock) -> str | None:
                try:
                    sock.sendall(b"y")
                except OSError:
                    return None
                return "the connection still takes bytes"

            await_state(f"port {port} ends a slow header", still_open, within_s=WITHIN_S)
