"""Wrong tokens: a bounded number from each address, and a line in the log for each burst of them.

Beyond the bound no token of that address is compared, so that a program cannot try many. What an address sent
is never logged.
"""

import ipaddress
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

MAX_WRONG = 10
WINDOW_S = 60.0
# Addresses that are remembered; the one that has been quiet for longest makes room.
MAX_ADDRESSES = 1_000
# An IPv6 network is given to one customer; its addresses are one sender.
NETWORK_BITS = 64

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sender:
    since: float
    wrong: int = 0


class Guesses:
    """Counts wrong tokens by address; any thread may call."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._senders: OrderedDict[str, _Sender] = OrderedDict()
        self._lock = Lock()

    def is_blocked(self, address: str) -> bool:
        """Whether this address has sent too many wrong tokens within the last minute."""
        with self._lock:
            sender = self._current(_sender(address))
            return sender is not None and sender.wrong >= MAX_WRONG

    def wrong(self, address: str) -> None:
        """Count a wrong token; the first of a minute and the one that reaches the bound are logged."""
        key = _sender(address)
        with self._lock:
            sender = self._current(key) or self._add(key)
            sender.wrong += 1
            self._senders.move_to_end(key)
            wrong = sender.wrong
        if wrong == 1:
            log.warning("a wrong token came from %s", key)
        elif wrong == MAX_WRONG:
            log.warning(
                "%d wrong tokens came from %s; for %.0f s none of its tokens is compared",
                wrong,
                key,
                WINDOW_S,
            )

    def _current(self, key: str) -> _Sender | None:
        sender = self._senders.get(key)
        if sender and self._clock() - sender.since >= WINDOW_S:
            del self._senders[key]
            return None
        return sender

    def _add(self, key: str) -> _Sender:
        while len(self._senders) >= MAX_ADDRESSES:
            self._senders.popitem(last=False)
        self._senders[key] = _Sender(since=self._clock())
        return self._senders[key]


def _sender(address: str) -> str:
    """Return the address, or its network for IPv6, where one sender has many."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return "an unknown address"
    if isinstance(known, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((known, NETWORK_BITS), strict=False))
    return str(known)
