"""Rate limits for estimated plans of sampled statements: per sample, and per queryid.

An EXPLAIN costs the database planning time; the limits keep it low, like those of Datadog's check.
"""

import re
from collections import OrderedDict

EXPLAINABLE = re.compile(
    r"\s*(?:select|table|values|insert|update|delete|merge|with)\b", re.IGNORECASE
)
COMMENT = re.compile(r"/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)")
PER_SAMPLE = 3
EVERY_S = 60.0
REMEMBERED = 5_000


class Limits:
    """Decides which statements are explained; for one thread."""

    def __init__(self) -> None:
        self._explained: OrderedDict[int, float] = OrderedDict()
        self._left = 0

    def begin_sample(self) -> None:
        """Start a sample, in which up to PER_SAMPLE statements may be explained."""
        self._left = PER_SAMPLE

    def allows(self, queryid: int | None, text: str, *, size: int, now: float) -> bool:
        """Whether to explain a statement now; if so, it counts as explained.

        Args:
            queryid: of the statement; None, as for utility statements, is never explained.
            text: as in pg_stat_activity.
            size: track_activity_query_size in bytes; a text of that length is truncated, and not explained.
            now: monotonic seconds.
        """
        if (
            queryid is None
            or self._left == 0
            or now - self._explained.get(queryid, -EVERY_S) < EVERY_S
        ):
            return False
        if len(text.encode()) >= size - 1 or not EXPLAINABLE.match(COMMENT.sub("", text)):
            return False
        self._left -= 1
        self._explained[queryid] = now
        self._explained.move_to_end(queryid)
        while len(self._explained) > REMEMBERED:
            self._explained.popitem(last=False)
        return True
