"""Accepted times of records: not older than the store's retention, and not minutes ahead of now.

Retention would delete a record from the future last, after valid ones; and it would stay the latest of its
kind.
"""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.store.records import Record, Span
from lab.telemetry.store.tables import TABLES

# Accepted clock skew.
AHEAD_NS = 5 * 60 * NS_PER_S


class Refused(StrEnum):
    """Why a record is not stored."""

    FUTURE = "future"
    EXPIRED = "expired"


def timely(
    records: Sequence[Record], *, now_ns: int, age_ns: int
) -> tuple[Sequence[Record], Counter[tuple[str, Refused]]]:
    """Return the accepted records, and the number of refused ones by table and reason.

    Args:
        records: of any kind; log positions have no time.
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
