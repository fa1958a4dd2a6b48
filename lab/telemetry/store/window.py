"""The window of time that a record may be of: not older than the store keeps, and not minutes ahead of now.

A record from the future would never be the oldest, so that genuine ones would be deleted before it; and it
would stay the latest of its kind.
"""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.store.records import Record, Span
from lab.telemetry.store.tables import TABLES

# What two clocks may differ by.
AHEAD_NS = 5 * 60 * NS_PER_S


class Refused(StrEnum):
    """Why a record is not stored."""

    FUTURE = "future"
    EXPIRED = "expired"


def timely(
    records: Sequence[Record], *, now_ns: int, age_ns: int
) -> tuple[Sequence[Record], Counter[tuple[str, Refused]]]:
    """Return the records of the window, and how many were refused, by table and reason.

    Args:
        records: of any kind; positions in the log have no time of their own.
        now_ns: the time now.
        age_ns: how long the store keeps a record.
    """
    refused: Counter[tuple[str, Refused]] = Counter()
    kept = []
    for record in records:
        reason = _reason(record, now_ns=now_ns, age_ns=age_ns)
        if reason is None:
            kept.append(record)
        else:
            refused[TABLES[type(record)].name, reason] += 1
    return (kept, refused) if refused else (records, refused)


def _reason(record: Record, *, now_ns: int, age_ns: int) -> Refused | None:
    column = TABLES[type(record)].time
    if column is None:
        return None
    at_ns: int = getattr(record, column)
    if at_ns < now_ns - age_ns:
        return Refused.EXPIRED
    # A span is sent once it has ended.
    end_ns = at_ns + record.duration_ns if isinstance(record, Span) else at_ns
    return Refused.FUTURE if end_ns > now_ns + AHEAD_NS else None
