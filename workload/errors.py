"""The errors of the workload: one base class, and default messages that state what to do."""


class WorkloadError(Exception):
    """The workload cannot continue; the message states what to do."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class SettingsError(WorkloadError):
    """A setting is malformed; correct it in .env or in the environment and start again."""


class StatementError(WorkloadError):
    """A .sql file of the workload is malformed; see workload/statements.py for the format."""


class UnseededError(WorkloadError):
    """The database has no products or no customers; seed it: ./creditlab up."""


class PortTakenError(WorkloadError):
    """Another process listens on the port of this service; change the port in .env."""
