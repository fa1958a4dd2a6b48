"""The number of replicas that share one service's arrivals, counted in DNS.

A name that resolves to the address of every ready replica (in Kubernetes a
headless Service) is enough: no permission, no coordinator, no database.
"""

import logging
import socket
import threading
from collections import Counter
from collections.abc import Callable

log = logging.getLogger(__name__)

# A cluster's DNS caches an answer for up to 30 s; more frequent queries do not help.
REFRESH_S = 5.0


class Replicas:
    """Counts the replicas, repeatedly; without a host name there is one.

    While their number changes, the total rate deviates until all replicas have the new DNS answer.
    """

    def __init__(self, host: str | None, *, count: Callable[[str], int] | None = None) -> None:
        self._host = host
        self._count = count or count_addresses
        self._number = 1
        self._stopped = threading.Event()

    @property
    def share(self) -> float:
        """This process's share of all arrivals: 0 to 1."""
        return 1 / self._number

    def start(self) -> None:
        """Count once before the first arrival, then in the background."""
        if self._host is None:
            return
        self._refresh(self._host)
        threading.Thread(
            target=self._keep, args=(self._host,), name="replicas", daemon=True
        ).start()

    def stop(self) -> None:
        """Stop counting."""
        self._stopped.set()

    def _keep(self, host: str) -> None:
        while not self._stopped.wait(REFRESH_S):
            self._refresh(host)

    def _refresh(self, host: str) -> None:
        try:
            number = self._count(host)
        except OSError as error:
            # No replica is ready, or DNS is unavailable: keep the last answer.
            log.warning("cannot count the replicas by %s: %s", host, error)
            return
        if number != self._number:
            log.info("one of %d replicas by %s", number, host)
            self._number = number


def count_addresses(host: str) -> int:
    """Return the number of hosts of a name; a host with an IPv4 and an IPv6 address counts once.

    Raises:
        OSError: when the name does not resolve.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = {(family, address[0]) for family, _, _, _, address in found}
    return max(Counter(family for family, _ in addresses).values())
