"""How many processes share one service's arrivals: counted in DNS, so that each takes its part of the load.

Called replicas after Kubernetes' word. A name that resolves to the address of every ready replica (there, a
headless Service) is all it needs: no permission, no coordinator, and no database that might be away.
"""

import logging
import socket
import threading
from collections import Counter
from collections.abc import Callable

log = logging.getLogger(__name__)

# A cluster's DNS serves an answer for up to 30 s; asking more often than this would not tell sooner.
REFRESH_S = 5.0


class Replicas:
    """Counts the replicas, and keeps counting; without a name there is one.

    While their number changes, the total is off by as much, until DNS has told all of them.
    """

    def __init__(self, host: str | None, *, count: Callable[[str], int] | None = None) -> None:
        self._host = host
        self._count = count or count_addresses
        self._number = 1
        self._stopped = threading.Event()

    @property
    def share(self) -> float:
        """The part of all arrivals that falls to this process: 0 to 1."""
        return 1 / self._number

    def start(self) -> None:
        """Count once, so that no arrival comes at another replica's expense, then in the background."""
        if self._host is None:
            return
        self._refresh(self._host)
        threading.Thread(
            target=self._keep, args=(self._host,), name="replicas", daemon=True
        ).start()

    def stop(self) -> None:
        """Count no more."""
        self._stopped.set()

    def _keep(self, host: str) -> None:
        while not self._stopped.wait(REFRESH_S):
            self._refresh(host)

    def _refresh(self, host: str) -> None:
        try:
            number = self._count(host)
        except OSError as error:
            # Nobody is ready, or DNS is away: either way the last answer is the best there is.
            log.warning("cannot count the replicas by %s: %s", host, error)
            return
        if number != self._number:
            log.info("one of %d replicas by %s", number, host)
            self._number = number


def count_addresses(host: str) -> int:
    """Return how many hosts a name stands for; one with an IPv4 and an IPv6 address is one.

    Raises:
        OSError: when the name does not resolve.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = {(family, address[0]) for family, _, _, _, address in found}
    return max(Counter(family for family, _ in addresses).values())
