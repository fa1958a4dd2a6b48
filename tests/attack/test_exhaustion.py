"""Attacks on memory and connections of real processes: neither grows without bound, readers are answered."""

import http.client
import re
import socket
import threading
import time
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
from tests.fix_console import RunningConsole
from tests.fix_workload import Process, cloned, running_service

MB = 1_000_000
# The console's limit in docker-compose.yml, and in Kubernetes: 320 MiB.
CONTAINER_MB = 335
PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
SENDERS = 16
WITHIN_S = 150
ZSTD = {"Content-Encoding": "zstd"}


@pytest.fixture
def attacked(console: RunningConsole) -> RunningConsole:
    """The module's console, its peak of memory from now on: what an attack leaves counts in the next."""
    Path(f"/proc/{console.process.pid}/clear_refs").write_text("5")
    return console


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


def test_small_bodies_that_stand_for_gigabytes(attacked: RunningConsole) -> None:
    """150 bodies of some 800 bytes, 24 MiB each when decompressed, took 3.8 GB without a budget."""
    body = bomb(limits.MAX_BODY_BYTES - 1)
    assert len(body) < 2_500
    statuses = flood(attacked, "/v0.5/traces", [body] * 150, **{"Content-Encoding": "zstd"})
    # On a stalled machine a sender may give up before its answer.
    assert set(statuses) - {0} <= {400, 429}
    assert peak_mb(attacked) < CONTAINER_MB
    assert attacked.send("POST", "/v0.5/traces", payloads.v05()).status == 200


def test_windows_that_stand_for_gigabytes(attacked: RunningConsole) -> None:
    """A frame that asks for a window of 128 MiB is refused; those of 8 MiB are counted."""
    assert attacked.send("POST", "/v0.5/traces", bomb(20 * MB, 27), ZSTD).status == 400
    statuses = flood(attacked, "/v0.5/traces", [bomb(20 * MB, 23)] * 64, **ZSTD)
    assert set(statuses) - {0} <= {400, 429}
    assert peak_mb(attacked) < CONTAINER_MB


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


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def sessions(pids: int, count: int) -> bytes:
    """Return sessions that wait for `pids` others each."""
    row = b'{"pid":1,"blocking_pids":[%b]}' % b",".join([b"1"] * pids)
    return b'[{"timestamp":%d,"postgres_activity":[%b]}]' % (now_ms(), b",".join([row] * count))


def spans(count: int, tags: int) -> bytes:
    """Return spans with so many tags each, of a name that is kept."""
    names = ["", *(f"credit.{number}" for number in range(tags))]
    own = {number: number for number in range(1, tags + 1)}
    span = [*SPAN_V05[:6], time.time_ns(), 1, 0, own, {}, 0]
    return msgspec.msgpack.encode([names, [[span] * count]])


def plans(lists: int, count: int) -> bytes:
    """Return plans of one node with so many empty lists."""
    plan = f'{{"Plan":{{"Node Type":"Result","Output":[{",".join(["[]"] * lists)}]}}}}'
    sample = {
        "timestamp": now_ms(), "dbm_type": "plan",
        "db": {"statement": "SELECT 1", "query_signature": "a", "plan": {"definition": plan}},
    }  # fmt: skip
    return msgspec.json.encode([sample] * count)


def tables(count: int, name: str) -> bytes:
    """Return the metadata of so many tables with long names."""
    table = ",".join(f'{{"id":"{number}","name":"{name}"}}' for number in range(count))
    database = f'{{"name":"d","schemas":[{{"name":"s","tables":[{table}]}}]}}'
    return b'[{"timestamp":%d,"kind":"pg_databases","metadata":[%b]}]' % (
        now_ms(),
        database.encode(),
    )


def many_lists() -> bytes:
    lists = b",".join([b"[]"] * 7_000_000)
    return b'[{"timestamp":1,"kind":"pg_settings","metadata":[{"a":[%b]}]}]' % lists


def elements(before: bytes, element: bytes, after: bytes) -> bytes:
    """Return JSON of the largest size with one list of equal elements."""
    room = limits.MAX_BODY_BYTES - len(before) - len(after)
    return before + b",".join([element] * (room // (len(element) + 1))) + after


def statistics(clients: int, groups: int) -> bytes:
    """Return statistics of clients with one bucket of empty groups each, a byte to a group."""
    pack = msgspec.msgpack.encode
    bucket = {"Start": time.time_ns(), "Duration": 1, "Stats": [{}] * groups}
    return pack({"Stats": [{"Stats": [bucket]}] * clients})


def fields(number: int) -> bytes:
    """Return a message of protobuf with empty values of one field."""
    return bytes([number << 3 | 2, 0]) * (limits.MAX_BODY_BYTES // 2)


REFUSED, TAKEN = {400, 413, 429}, {200, 202, 429}
# The most that the limits let through.
ACCEPTED = {
    "as many blocking pids as are taken", "as many tags as are taken",
    "as many lists of a plan as are taken", "tables with long names", "a text of metadata",
}  # fmt: skip
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
    "sessions with blocking pids": ("/api/v2/dbmactivity", lambda: sessions(270, 19_999)),
    "as many blocking pids as are taken": ("/api/v2/dbmactivity", lambda: sessions(31, 19_999)),
    "spans with 128 tags": ("/v0.5/traces", lambda: spans(49_000, 128)),
    "as many tags as are taken": ("/v0.5/traces", lambda: spans(19_999, 31)),
    "a plan of empty lists": ("/api/v2/databasequery", lambda: plans(2_500_000, 1)),
    "as many lists of a plan as are taken": ("/api/v2/databasequery", lambda: plans(99_990, 2)),
    "plans of empty lists": ("/api/v2/databasequery", lambda: plans(2_500_000, 3)),
    "elements of rows": (
        "/api/v2/dbmmetrics",
        lambda: elements(b'[{"timestamp":1,"postgres_rows":[', b"0", b"]}]"),
    ),
    "events of samples": ("/api/v2/databasequery", lambda: elements(b"[", b"{}", b"]")),
    "elements of points": (
        "/api/v1/series",
        lambda: elements(b'{"series":[{"metric":"x","points":[', b"0", b"]}]}"),
    ),
    "series of nothing": ("/api/v2/series", lambda: elements(b'{"series":[', b"0", b"]}")),
    "resources": (
        "/api/v2/series",
        lambda: elements(b'{"series":[{"metric":"x","resources":[', b"{}", b"]}]}"),
    ),
    "service checks": ("/api/v1/check_run", lambda: elements(b"[", b"{}", b"]")),
    "series in protobuf": ("/api/v2/series", lambda: fields(1)),
    "payloads in protobuf": ("/api/v0.2/traces", lambda: fields(5)),
    "fields that no one knows": ("/api/v0.2/traces", lambda: fields(3)),
    "clients of statistics": ("/api/v0.2/stats", lambda: statistics(500_000, 1)),
    "groups of statistics": ("/api/v0.2/stats", lambda: statistics(1_100, 20_000)),
    "lists within metadata": ("/api/v2/dbmmetadata", many_lists),
    "tables with long names": ("/api/v2/dbmmetadata", lambda: tables(19_000, "a" * 1_000)),
    "a text of metadata": ("/api/v2/dbmmetadata", lambda: tables(1, "a'" * 12_000_000)),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_body_that_is_small_beside_what_it_stands_for(
    attacked: RunningConsole, what: str
) -> None:
    """Megabytes that would be built up to gigabytes of objects are refused; what is taken fits."""
    path, make = HOSTILE[what]
    body = make()
    assert len(body) <= limits.MAX_BODY_BYTES
    # Small ones are decoded at the same time.
    copies = 3 if len(body) > limits.LARGE_BODY_BYTES else 6
    statuses = flood(attacked, path, [body] * copies)
    print(f"{what}: {len(body) / MB:.1f} MB, {statuses}, peak {peak_mb(attacked):.0f} MB")
    assert set(statuses) - {0} <= (TAKEN if what in ACCEPTED else REFUSED)
    assert peak_mb(attacked) < CONTAINER_MB
    assert attacked.send("GET", "/healthz").status == 200


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


def test_endless_bodies_keep_nobody_out(attacked: RunningConsole) -> None:
    """Eight bodies that would take all of the room make it for a genuine one, and for every reader."""
    with endless_bodies(attacked, 8) as sent:

        def too_little() -> str | None:
            held = sum(sent) / MB
            return None if held > limits.MAX_BYTES_IN_FLIGHT / MB / 2 else f"{held:.0f} MB held"

        await_state("the endless bodies hold much", too_little, within_s=WITHIN_S)
        for _ in range(5):
            assert attacked.send("POST", "/v0.5/traces", payloads.v05(2_000)).status == 200
            for path in ("/healthz", "/metrics", "/drills"):
                assert attacked.send("GET", path).status == 200
    assert peak_mb(attacked) < CONTAINER_MB


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
    with ExitStack() as stack:
        open_yet = {}
        for port in (console.port, int(shop.client.address.rpartition(":")[2])):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=90))
            sock.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
            open_yet[port] = sock

        def still_open() -> str | None:
            for port, sock in list(open_yet.items()):
                try:
                    sock.sendall(b"y")
                except OSError:
                    del open_yet[port]
            return f"ports {sorted(open_yet)} still take bytes" if open_yet else None

        await_state("each port ends a slow header", still_open, within_s=WITHIN_S)
