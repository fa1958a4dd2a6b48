"""Dictionary of the texts that many spans repeat: statements as resources, and equal sets of tags.

A column of such a text has the text itself, or the integer id of a row of table `texts`; the view `spans` has
the text in both cases. A text gets an id when it occurs a second time, so that unique ones (with a score, a
time) leave nothing behind. Retention deletes a text after the last span that can have its id.
"""

import sqlite3
from dataclasses import dataclass

# A text's `seen_ns` is renewed at most so often: retention keeps it for so much longer.
RENEW_NS = 3_600 * 1_000_000_000
# Beyond it texts are stored in each row: memory and file stay bounded whatever a sender repeats.
MAX_TEXTS = 20_000
# Hashes of texts that occurred once; 64 bytes each.
MAX_ONCE = 20_000
SEEN = """INSERT INTO texts (text, seen_ns) VALUES (?, ?)
ON CONFLICT (text) DO UPDATE SET seen_ns = max(seen_ns, excluded.seen_ns) RETURNING id"""


@dataclass(slots=True)
class _Known:
    key: int
    seen_ns: int


class Texts:
    """The writer's part of the dictionary; used within its transactions."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._once: set[int] = set()

    def encoded(self, text: str, connection: sqlite3.Connection, now_ns: int) -> int | str:
        """Return the text's id, or the text when it occurs for the first time or the dictionary is full."""
        known = self._known.get(text)
        if known and now_ns < known.seen_ns + RENEW_NS:
            return known.key
        if not known and not self._is_repeated(text):
            return text
        [[key]] = connection.execute(SEEN, (text, now_ns)).fetchall()
        self._known[text] = _Known(key, now_ns)
        return int(key)

    def forget(self) -> None:
        """Forget all ids: rows of the dictionary were deleted, or their transaction was rolled back."""
        self._known.clear()

    def _is_repeated(self, text: str) -> bool:
        if len(self._known) >= MAX_TEXTS:
            return False
        digest = hash(text)
        if digest in self._once:
            self._once.discard(digest)
            return True
        if len(self._once) >= MAX_ONCE:
            self._once.clear()
        self._once.add(digest)
        return False
