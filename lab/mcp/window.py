"""Parses the time range of a tool call, within limits."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.timestamps import nanoseconds

RELATIVE = re.compile(r"-([0-9]{1,6})([smhd])", re.ASCII)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
ABSOLUTE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
FORMS = "RFC 3339 with a time zone, such as 2026-01-31T09:30:00Z, or relative, such as -15m or -90s"


class TimeRangeError(LabError):
    """A time, or a time range, is malformed or too long."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A time range: `since` is included, `until` is not."""

    since: datetime
    until: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.until - self.since).total_seconds()

    @property
    def since_ns(self) -> int:
        """Its start in nanoseconds since 1970."""
        return nanoseconds(self.since)

    @property
    def until_ns(self) -> int:
        """Its end in nanoseconds since 1970."""
        return nanoseconds(self.until)


def moment_of(text: str, name: str, *, before: datetime | None = None) -> datetime:
    """Parse a time in UTC.

    Args:
        text: the time.
        name: the argument's name.
        before: what a relative time is relative to; None for now.

    Raises:
        TimeRangeError: with the argument's name, the value and the accepted forms.
    """
    given = text.strip()
    if given == "now":
        return clock.now()
    if found := RELATIVE.fullmatch(given):
        try:
            return (before or clock.now()) - timedelta(**{UNITS[found[2]]: int(found[1])})
        except OverflowError:
            raise TimeRangeError(f"{name}={given!r} is out of range. Expected: {FORMS}.") from None
    if ABSOLUTE.fullmatch(given):
        with suppress(ValueError, OverflowError):
            return datetime.fromisoformat(given.upper()).astimezone(UTC)
    raise TimeRangeError(f"{name}={given[:40]!r} is not a time. Expected: {FORMS}, or now.")


def window(start: str | None, end: str | None, *, default: timedelta, most: timedelta) -> Window:
    """Return the time range of two arguments.

    Args:
        start: its text; None for `default` before the end.
        end: its text; None for now.
        default: the usual length.
        most: the maximum length.

    Raises:
        TimeRangeError: when a time is malformed, the end is not after the start, or the range is too long.
    """
    until = moment_of(end, "end") if end else clock.now()
    span = f"-{default.total_seconds():.0f}s"
    since = moment_of(start or span, "start", before=until)
    if since >= until:
        raise TimeRangeError(
            f"start {since:%Y-%m-%dT%H:%M:%SZ} is not before end {until:%Y-%m-%dT%H:%M:%SZ}."
            f" Expected: an earlier start; now is {clock.now():%Y-%m-%dT%H:%M:%SZ}."
        )
    if until - since > most:
        raise TimeRangeError(
            f"The time range is {_hours(until - since)} long; at most {_hours(most)} are allowed here."
            " Use a later start or an earlier end, and several calls for more."
        )
    return Window(since=since, until=until)


def _hours(length: timedelta) -> str:
    hours = length.total_seconds() / 3600
    return f"{hours:,.1f} h" if hours < 1_000_000 else "more than a million h"  # noqa: PLR2004
