"""Why a request is refused: an HTTP status, a reason to count by, a sentence for the sender's log."""


class RejectedError(Exception):
    """The request cannot be taken; `reason` is one of few words, fit for a metric's label.

    An Agent drops what is answered with 400, 401, 403 or 413, and sends again what is answered with 404,
    429 or 5xx. So what can never be read gets one of the first, and only what may be later a 429 or 503.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


def malformed(message: str) -> RejectedError:
    """Return the refusal of a body that is not what its path promises."""
    return RejectedError(400, "malformed", message)
