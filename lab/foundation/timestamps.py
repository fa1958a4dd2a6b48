"""Conversions between the store's nanoseconds and UTC datetimes or milliseconds."""

from datetime import UTC, datetime, timedelta

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(at_ns: int) -> datetime:
    """Return nanoseconds since 1970 as an aware datetime in UTC, to the microsecond."""
    return EPOCH + timedelta(microseconds=at_ns // 1_000)


def nanoseconds(at: datetime) -> int:
    """Return a datetime as nanoseconds since 1970; one without a time zone is interpreted as UTC."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1) * 1_000


def ms(duration_ns: int) -> float:
    """Return nanoseconds as milliseconds, to the microsecond.

    >>> ms(197_334_400)
    197.334
    """
    return round(duration_ns / NS_PER_MS, 3)
