"""A TCP proxy before PostgreSQL that cuts a connection at a chosen moment of a chosen statement."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

import pytest

from lab.stack.native.cluster import Cluster

PIECE = 1 << 16


class Moment(Enum):
    """When a connection is cut, as the server sees the statement."""

    BEFORE = auto()
    """The server never gets the statement."""
    DURING = auto()
    """The server gets it, and the client is gone before it can answer."""
    AFTER = auto()
    """The server has carried it out and has answered; the answer is lost."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Cut the next connection on which the client sends these bytes."""

    at: bytes
    moment: Moment
    then_refuse: bool


class Proxy:
    """Listens on a free port of 127.0.0.1 and forwards to a server."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._cuts: list[Cut] = []
        self._refusing = False
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, at: bytes, moment: Moment, *, then_refuse: bool = False) -> None:
        """Cut once, when a client sends a message that holds `at`; then let nobody through, if asked."""
        with self._lock:
            self._cuts.append(Cut(at=at, moment=moment, then_refuse=then_refuse))

    @property
    def pending(self) -> int:
        """Cuts that have not happened yet."""
        return len(self._cuts)

    def refuse(self) -> None:
        """Close every connection, and each new one at once."""
        with self._lock:
            self._refusing = True
        self._close_all()

    def allow(self) -> None:
        """Let connections through again."""
        with self._lock:
            self._refusing = False

    def close(self) -> None:
        """Stop listening and close every connection."""
        # A shutdown wakes the thread in accept(); a close alone would leave it there.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._close_all()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._refusing:
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                with self._lock:
                    self._open |= {client, server}
                lost = threading.Event()
                for target in (self._to_server, self._to_client):
                    threading.Thread(
                        target=target, args=(client, server, lost), daemon=True
                    ).start()

    def _to_server(
        self, client: socket.socket, server: socket.socket, lost: threading.Event
    ) -> None:
        with suppress(OSError):
            while piece := client.recv(PIECE):
                match self._moment_of(piece):
                    case None:
                        server.sendall(piece)
                    case Moment.BEFORE:
                        break
                    case Moment.DURING:
                        self._end(client)
                        server.sendall(piece)
                    case Moment.AFTER:
                        lost.set()
                        server.sendall(piece)
        self._end(client, server)

    def _to_client(
        self, client: socket.socket, server: socket.socket, lost: threading.Event
    ) -> None:
        with suppress(OSError):
            while (piece := server.recv(PIECE)) and not lost.is_set():
                client.sendall(piece)
        self._end(client, server)

    def _moment_of(self, piece: bytes) -> Moment | None:
        with self._lock:
            for cut in self._cuts:
                if cut.at in piece:
                    self._cuts.remove(cut)
                    self._refusing = self._refusing or cut.then_refuse
                    return cut.moment
        return None

    def _close_all(self) -> None:
        with self._lock:
            sockets = list(self._open)
        self._end(*sockets)

    def _end(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._open -= set(sockets)
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    """A proxy before the tests' server."""
    proxy = Proxy((cluster.settings.postgres_host, cluster.settings.postgres_port))
    try:
        yield proxy
    finally:
        proxy.close()
