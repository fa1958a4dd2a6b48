"""Errors of refused requests: HTTP status, reason (a metric label), and message for the sender's log."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec

from lab.telemetry.intake.limits import MAX_ELEMENTS, MAX_RECORDS, PARTS_LIKE_A_RECORD
from lab.telemetry.store import ActivitySample, MetricSeries, Record, ServiceCheck, Span


class RejectedError(Exception):
    """The request cannot be accepted; `reason` is a metric label of few values.

    An Agent drops a payload after 400, 401, 403 or 413, and retries after 404, 429 or 5xx. So a payload that
    can never be decoded gets one of the first, and only one that may be accepted later a 429 or 503.
    """

    def __init__(
        self, status: int, reason: str, message: str, *, unread_form: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        # The name of a format of a newer Agent or tracer.
        self.unread_form = unread_form


def collected(records: Iterable[Record]) -> list[Record]:
    """Return the records of a payload; lists and tags in a record count toward the limit, too.

    Raises:
        RejectedError: 413 when their weight exceeds MAX_RECORDS.
    """
    found: list[Record] = []
    weight = 0
    for record in records:
        weight += _weight(record)
        if weight > MAX_RECORDS:
            raise too_many()
        found.append(record)
    return found


def _weight(record: Record) -> int:
    parts = 0
    if isinstance(record, ActivitySample):
        parts = len(record.blocking_pids)
    elif isinstance(record, Span | MetricSeries | ServiceCheck):
        parts = len(record.tags)
    return 1 + parts // PARTS_LIKE_A_RECORD


def too_many() -> RejectedError:
    """Return the error for a payload with more than MAX_RECORDS records."""
    return RejectedError(413, "too_many", f"more than {MAX_RECORDS} records in one payload")


def require_few_elements(body: bytes) -> None:
    """Refuse JSON with too many elements, by its commas, before decoding builds the lists in memory.

    Raises:
        RejectedError: 413 for more than MAX_ELEMENTS.
    """
    if body.count(b",") > MAX_ELEMENTS:
        raise RejectedError(413, "too_many", f"more than {MAX_ELEMENTS} elements in one JSON body")


def malformed(message: str) -> RejectedError:
    """Return the error for a body that is not in its path's format."""
    return RejectedError(400, "malformed", message)


@contextmanager
def decoding(what: str) -> Iterator[None]:
    """Raise the decoder's errors as that for a body that is not `what`."""
    try:
        yield
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise malformed(f"not {what}: {error}") from error


def unread_form(name: str, *, status: int = 400) -> RejectedError:
    """Return the error for traces in a format that this version cannot decode.

    Args:
        name: of the format, such as "POST /api/v0.3/traces".
        status: 404 makes a tracer use an older format; an Agent would retry.
    """
    message = f"this version of the lab cannot decode traces as {name}"
    return RejectedError(status, "unread_form", message, unread_form=name)
