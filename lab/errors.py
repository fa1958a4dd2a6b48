"""Every error the lab raises on purpose: one base class, default messages that name the way out."""


class LabError(Exception):
    """The lab cannot do this; see the message for what to do. Exit status 2."""

    exit_status = 2

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)
