"""Why a request is refused: an HTTP status, a reason to count by, a sentence for the sender's log."""

from collections.abc import Iterable

from lab.telemetry.intake.limits import MAX_ELEMENTS, MAX_RECORDS, PARTS_LIKE_A_RECORD
from lab.telemetry.store import ActivitySample, MetricSeries, Record, ServiceCheck, Span


class RejectedError(Exception):
    """The request cannot be taken; `reason` is one of few words, fit for a metric's label.

    An Agent drops what is answered with 400, 401, 403 or 413, and sends again what is answered with 404,
    429 or 5xx. So what can never be read gets one of the first, and only what may be later a 429 or 503.
    """

    def __init__(
        self, status: int, reason: str, message: str, *, unread_form: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        # Of a newer Agent or tracer, by name.
        self.unread_form = unread_form


def collected(records: Iterable[Record]) -> list[Record]:
    """Return the records of a payload, as they are decoded; lists and tags within one weigh, too.

    Raises:
        RejectedError: 413 once they weigh more than MAX_RECORDS.
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
    """Return the refusal of a payload that holds more than is stored at once."""
    return RejectedError(413, "too_many", f"more than {MAX_RECORDS} records in one payload")


def require_few_elements(body: bytes) -> None:
    """Refuse JSON whose lists would be built up to many times its size; texts with commas count, too.

    Raises:
        RejectedError: 413 for more than MAX_ELEMENTS.
    """
    if body.count(b",") > MAX_ELEMENTS:
        raise RejectedError(413, "too_many", f"more than {MAX_ELEMENTS} elements in one JSON body")


def malformed(message: str) -> RejectedError:
    """Return the refusal of a body that is not what its path promises."""
    return RejectedError(400, "malformed", message)


def unread_form(name: str, *, status: int = 400) -> RejectedError:
    """Return the refusal of traces in a form that this version does not read.

    Args:
        name: of the form, such as "POST /api/v0.3/traces".
        status: 404 makes a tracer use an older form; an Agent would send the same again.
    """
    message = f"this version of the lab does not read traces as {name}"
    return RejectedError(status, "unread_form", message, unread_form=name)
