"""The lab's errors: one base class, default messages with the next step."""


class LabError(Exception):
    """The lab cannot do this. Exit status 2."""

    exit_status = 2

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class DatabaseError(LabError):
    """PostgreSQL refused; `sqlstate` is its five-character code, None when it did not answer."""

    def __init__(self, message: str | None = None, *, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class DatabaseUnreachableError(DatabaseError):
    """No PostgreSQL answers; check `./creditlab status`."""


class PasswordRefusedError(DatabaseError):
    """PostgreSQL refuses this role and password; check the passwords in .env."""


class DatabaseAbsentError(DatabaseError):
    """The server has no such database; `./creditlab up` creates it."""


class RoleAbsentError(DatabaseError):
    """The server has no such role; check the role in the connection string."""


class AccessRefusedError(DatabaseError):
    """The server's pg_hba.conf has no line for this role, database and address."""


class TlsRefusedError(DatabaseError):
    """Client and server do not agree on TLS; check `sslmode` in the connection string."""
