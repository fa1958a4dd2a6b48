"""What can go wrong with the store's file."""

from lab.errors import LabError


class StoreError(LabError):
    """The store cannot be used; free space on its disk, or remove its file to start anew."""


class StoreTimeoutError(StoreError):
    """The store did not answer within the time allowed; ask for a shorter window."""
