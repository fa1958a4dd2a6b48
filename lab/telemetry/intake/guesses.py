"""Rate limit for wrong tokens, by address, with a log line for each burst of them.

Beyond the limit no token of that address is compared, which prevents guessing by brute force. Tokens are
never logged.
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
# Number of tracked addresses; the least recently active one is dropped.
MAX_ADDRESSES = 1_000
# Providers assign an IPv6 network of this size to one customer; its addresses count as one sender.
NETWORK_BITS = 64

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sender:
    since: float
    wrong: int = 0


class Guesses:
    """Counts wrong tokens by address; thread-safe."""

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
        """Count a wrong token; log the first of a minute and the one that reaches the limit."""
        key = _sender(address)
        with self._lock:
            sender = self._current(key) or self._add(key)
            sender.wrong += 1
            self._senders.move_to_end(key)
            wrong = sender.wrong
        if wrong == 1:
            log.warning("a wrong token from %s", key)
        elif wrong == MAX_WRONG:
            log.warning(
                "%d wrong tokens from %s; its requests are refused for %.0f s",
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
    """Return the address, or its network for IPv6."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return "an unknown address"
    if isinstance(known, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((known, NETWORK_BITS), strict=False))
    return str(known)
