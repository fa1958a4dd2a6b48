"""Why a request is refused: an HTTP status, a reason to count by, a sentence for the sender's log."""

from collections.abc import Iterable
from itertools import islice

from lab.intake.limits import MAX_RECORDS
from lab.store import Record


class RejectedError(Exception):
    """The request cannot be taken; `reason` is one of few words, fit for a metric's label.

    An Agent drops what is answered with 400, 401, 403 or 413, and sends again what is answered with 404,
    429 or 5xx. So what can never be read gets one of the first, and only what may be later a 429 or 503.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


def collected(records: Iterable[Record]) -> list[Record]:
    """Return the records of a payload, as they are decoded.

    Raises:
        RejectedError: 413 once there are more than MAX_RECORDS.
    """
    found = list(islice(records, MAX_RECORDS + 1))
    if len(found) > MAX_RECORDS:
        raise RejectedError(413, "too_many", f"more than {MAX_RECORDS} records in one payload")
    return found


def malformed(message: str) -> RejectedError:
    """Return the refusal of a body that is not what its path promises."""
    return RejectedError(400, "malformed", message)
