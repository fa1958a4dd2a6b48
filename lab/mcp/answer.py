"""Answers of tools: compact JSON, bounded in bytes, in pages with a cursor.

Fields without a value are left out; where the reason is known, `absent` has it under the field's name.
"""

import base64
import hmac
import json
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from lab.foundation.errors import LabError
from lab.foundation.timestamps import EPOCH, moment
from lab.mcp.window import DAY, HOUR, Window, window

# About 15,000 tokens; clients cut or refuse answers of more than 25,000.
MAX_BYTES = 48_000
# Of this process: a cursor is valid for the limits that were checked when it was made.
KEY = secrets.token_bytes(16)
# Rows that can be reached by following cursors.
MAX_ROWS = 10_000
# Of a list that has no time range.
NO_TIMES = Window(since=EPOCH, until=EPOCH)
EMPTY: tuple[object, ...] = ([], {}, (), "")
# The same of plans, which may have megabytes each.
MAX_PLANS = 500
# Bytes for the time range and the cursor.
OTHERS = 400
# Significant digits of a measured value.
DIGITS = 6


class CursorError(LabError):
    """cursor: it is not of this call and server. Leave it out to begin with the first row."""


def compact(document: object) -> Any:
    """Convert an object to JSON types; empty fields are left out, floats are rounded to six digits."""
    return _compact(msgspec.to_builtins(document))


def _compact(value: Any) -> Any:
    match value:
        case dict():
            return {k: _compact(v) for k, v in value.items() if v is not None and v not in EMPTY}
        case list() | tuple():
            return [_compact(each) for each in value]
        case float():
            return figure(value)
    return value


def figure(value: float) -> float | int | str:
    """Return a number with six significant digits; NaN and infinities as text, which JSON does not have.

    >>> figure(0.123456789), figure(1234567.0), figure(float("nan"))
    (0.123457, 1234567, 'NaN')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == int(value) and abs(value) < 1e15:  # noqa: PLR2004
        return int(value)
    return float(f"{value:.{DIGITS}g}")


def at(at_ns: int) -> str:
    """Return a time of the store as RFC 3339 in UTC, to the millisecond.

    >>> at(1_500_000_000_123_456_789)
    '2017-07-14T02:40:00.123Z'
    """
    return f"{moment(at_ns):%Y-%m-%dT%H:%M:%S}.{at_ns // 1_000_000 % 1000:03d}Z"


def encode(document: object) -> str:
    """Return a document as compact JSON text."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str)


def fitting(rows: Sequence[object], beside: object = None) -> list[Any]:
    """Return the first rows that fit into one answer, at least one; compact."""
    chosen: list[Any] = []
    size = len(encode(compact(beside)).encode()) + OTHERS
    for row in rows:
        document = compact(row)
        size += len(encode(document).encode()) + 1
        if chosen and size > MAX_BYTES:
            break
        chosen.append(document)
    return chosen


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of a longer result: the number of rows before it, and the time range of all pages.

    `most` is the number of rows that can be reached by following cursors.
    """

    window: Window
    offset: int
    limit: int
    call: str
    most: int = MAX_ROWS

    @classmethod
    def of(
        cls,
        arguments: Mapping[str, object],
        *,
        limit: int,
        cursor: str | None,
        window: Callable[[], Window] = lambda: NO_TIMES,
        most: int = MAX_ROWS,
    ) -> "Page":
        """Return the first page, or the one that a cursor names.

        Args:
            arguments: that select the rows: a cursor is valid with the same ones only.
            limit: the maximum number of rows.
            cursor: of the previous answer.
            window: the time range of the first page; later pages have the same one.
            most: the rows that can be reached: fewer where the source returns no more, or rows are large.

        Raises:
            CursorError: when the cursor is malformed, or of other arguments.
        """
        call = encode(dict(arguments))
        if cursor is None:
            return cls(window=window(), offset=0, limit=limit, call=call, most=most)
        try:
            place, _, seal = base64.urlsafe_b64decode(cursor.encode()).decode().rpartition(" ")
        except ValueError:
            raise CursorError from None
        if not hmac.compare_digest(seal.encode(), _seal(place, call).encode()):
            raise CursorError
        offset, since_ns, until_ns = map(int, place.split())
        chosen = Window(since=moment(since_ns), until=moment(until_ns))
        return cls(window=chosen, offset=offset, limit=limit, call=call, most=most)

    @classmethod
    def during(
        cls,
        arguments: Mapping[str, Any],
        limit: int,
        cursor: str | None,
        *,
        default: timedelta = HOUR,
        longest: timedelta = DAY,
        most: int = MAX_ROWS,
    ) -> "Page":
        """Return the first page of the time range from `start` to `end`, or the one that a cursor names.

        `default` is the usual length of the time range, `longest` its maximum; the rest is as for `of`.

        Raises:
            CursorError: as `of`.
            TimeRangeError: as `window`.
        """
        return cls.of(
            arguments,
            limit=limit,
            cursor=cursor,
            window=lambda: window(
                arguments["start"], arguments["end"], default=default, most=longest
            ),
            most=most,
        )

    @property
    def wanted(self) -> int:
        """The number of rows to read from the source: up to the end of this page, and one more."""
        return min(self.offset + self.limit, self.most) + 1

    def answer(self, rows: Sequence[object], **beside: object) -> dict[str, Any]:
        """Return this page of `rows`, which begin with the first page's; with a cursor when there are more.

        Args:
            rows: up to `wanted` rows in a fixed order.
            beside: further fields of the answer.
        """
        chosen = fitting(rows[self.offset : min(self.offset + self.limit, self.most)], beside)
        answer = {**compact(beside), "rows": chosen}
        if self.window != NO_TIMES:
            times = {"start": at(self.window.since_ns), "end": at(self.window.until_ns)}
            answer = {"time_range": times, **answer}
        end = self.offset + len(chosen)
        if len(rows) > end:
            answer |= self._further(end)
        return answer

    def _further(self, end: int) -> dict[str, str]:
        if end >= self.most:
            return {
                "more": f"more than {self.most:,} rows: use a shorter time range or more filters"
            }
        place = f"{end} {self.window.since_ns} {self.window.until_ns}"
        cursor = f"{place} {_seal(place, self.call)}".encode()
        return {"next_cursor": base64.urlsafe_b64encode(cursor).decode()}


def _seal(place: str, call: str) -> str:
    return hmac.new(KEY, f"{place}\n{call}".encode(), "sha256").hexdigest()[:16]
