"""Errors of the store."""

from lab.foundation.errors import LabError


class StoreError(LabError):
    """The store cannot be used; free space on its disk, or remove its file to start with an empty one."""


class StoreDamagedError(StoreError):
    """The store's file is damaged; `why` is the reason. The console sets it aside when it starts."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the store is damaged: {why}; ./creditlab restart sets it aside")
        self.why = why


class OutOfRangeError(LabError):
    """The request has a number or a character that SQLite cannot store; correct it."""


class StoreTimeoutError(StoreError):
    """The store did not answer within the time limit; use a shorter time range."""
