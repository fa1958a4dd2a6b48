"""One line of the log, as `log_destination = jsonlog` writes it (PostgreSQL 15 and later)."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

START = b'{"timestamp":"'
UTC_NAMES = frozenset({"UTC", "GMT", "Etc/UTC"})
FIRST_YEAR, LAST_YEAR = 1970, 2200
MAX_PID = 2**31
Pid: TypeAlias = Annotated[int, Meta(ge=0, lt=MAX_PID)]
QueryId: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class InvalidLineError(ValueError):
    """The line is not a complete line of jsonlog with log_timezone = UTC."""


class Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The fields that the lab uses; not redacted, so it must not be stored."""

    timestamp: str
    pid: Pid
    error_severity: str
    message: str = ""
    user: str | None = None
    dbname: str | None = None
    state_code: str | None = None
    detail: str | None = None
    context: str | None = None
    statement: str | None = None
    application_name: str | None = None
    backend_type: str | None = None
    ps: str | None = None
    query_id: QueryId = 0

    @property
    def at_ns(self) -> int:
        """Time of the line in nanoseconds since 1970, with PostgreSQL's resolution of milliseconds."""
        return _at_ns(self.timestamp)

    @property
    def queryid(self) -> int | None:
        """The queryid; PostgreSQL writes 0 for none."""
        return self.query_id or None


@lru_cache(maxsize=256)
def _at_ns(timestamp: str) -> int:
    moment, _, zone = timestamp.rpartition(" ")
    if zone not in UTC_NAMES:
        raise InvalidLineError(f"log_timezone must be UTC, not {zone[:20]!r}")
    try:
        at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidLineError("no timestamp") from error
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise InvalidLineError("a time that does not fit into 64 bits of nanoseconds")
    return (int(at.timestamp()) * 1000 + at.microsecond // 1000) * 1_000_000


_decoder = msgspec.json.Decoder(Line)


def parse(line: bytes) -> Line:
    """Parse a line.

    A line that a crash cut off has the next one appended to it: the complete one is used.

    Raises:
        InvalidLineError: when it has no complete line.
    """
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    whole = line[max(line.rfind(START), 0) :]
    try:
        return _decoder.decode(whole.decode(errors="replace"))
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidLineError("no whole line of jsonlog") from error
