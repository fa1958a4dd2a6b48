"""Which sampled statements are explained: rules and rate limit of Datadog's check, as datadog/conf.d sets it.

An EXPLAIN costs the database planning time, and on a locked table the lock time-out of the role.
"""

import re
from collections import OrderedDict
from enum import StrEnum
from typing import TypeAlias

EXPLAINABLE = re.compile(
    r"\s*(?:select|table|values|insert|update|delete|merge|with)\b(?!\s+datadog\s*\.)",
    re.IGNORECASE,
)
COMMENT = re.compile(r"/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)")
# `explained_queries_per_hour_per_query: 360`.
EVERY_S = 10.0
REMEMBERED = 5_000
# PostgreSQL cuts a text between two characters, which have up to six bytes in the check's rule.
CUT_BYTES = 7
# Database, and signature of the statement.
Key: TypeAlias = tuple[str | None, str]


class NoPlan(StrEnum):
    """Why a sample has no plan, by the codes of the check."""

    NOT_EXPLAINABLE = "no_plans_possible"
    TRUNCATED = "query_truncated"
    DATABASE_ERROR = "database_error"
    INVALID = "invalid_result"


class Limits:
    """Decides which sampled statements are reported; for one thread."""

    def __init__(self) -> None:
        self._explained: OrderedDict[Key, float] = OrderedDict()

    def allows(self, key: Key, *, now: float) -> bool:
        """Whether a statement is due; if so, it counts as reported.

        Args:
            key: of the statement.
            now: monotonic seconds.
        """
        if now - self._explained.get(key, -EVERY_S) < EVERY_S:
            return False
        self._explained[key] = now
        self._explained.move_to_end(key)
        while len(self._explained) > REMEMBERED:
            self._explained.popitem(last=False)
        return True


def refusal(text: str, *, size: int) -> NoPlan | None:
    """Return why a statement is not explained; None: it is.

    Args:
        text: as in pg_stat_activity.
        size: track_activity_query_size in bytes.
    """
    if not EXPLAINABLE.match(COMMENT.sub("", text)):
        return NoPlan.NOT_EXPLAINABLE
    return NoPlan.TRUNCATED if is_truncated(text, size=size) else None


def is_truncated(text: str, *, size: int) -> bool:
    """Whether PostgreSQL may have cut a text."""
    return len(text.encode()) >= size - CUT_BYTES
