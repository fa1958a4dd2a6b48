"""Every error the workload raises on purpose: one base class, default messages that name the way out."""


class WorkloadError(Exception):
    """The workload cannot go on; see the message for what to do."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class SettingsError(WorkloadError):
    """A setting is malformed; correct it in .env or in the environment and start again."""


class StatementError(WorkloadError):
    """A .sql file of the workload is malformed; see workload/statements.py for the form."""


class UnseededError(WorkloadError):
    """The database holds no products or no customers; seed it: ./creditlab up."""


class PortTakenError(WorkloadError):
    """Something else listens on the port of this service; change the port in .env."""
