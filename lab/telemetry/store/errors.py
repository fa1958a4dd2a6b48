"""What can go wrong with the store's file."""

from lab.foundation.errors import LabError


class StoreError(LabError):
    """The store cannot be used; free space on its disk, or remove its file to start anew."""


class StoreDamagedError(StoreError):
    """The store's file is damaged; `why` says how. The console sets it aside when it starts."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the store is damaged: {why}; ./creditlab restart sets it aside")
        self.why = why


class OutOfRangeError(LabError):
    """A number or a character is none that the store can hold; correct it in what is asked for."""


class StoreTimeoutError(StoreError):
    """The store did not answer within the time allowed; ask for a shorter window."""
