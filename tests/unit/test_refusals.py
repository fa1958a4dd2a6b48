"""libpq's messages about connections that could not be opened, and what a person reads instead."""

import pytest

from lab.clients.refusals import error
from lab.foundation.errors import (
    AccessRefusedError,
    DatabaseAbsentError,
    DatabaseError,
    DatabaseUnreachableError,
    PasswordRefusedError,
    RoleAbsentError,
    TlsRefusedError,
)

OPTIONS = {"host": "h", "port": "5432", "user": "u", "dbname": "db"}
AT = 'connection to server at "h" (10.0.0.1), port 5432 failed: '
WHERE = "h (10.0.0.1):5432"


@pytest.mark.parametrize(
    ("message", "kind", "first_line"),
    [
        (
            AT + 'FATAL:  password authentication failed for user "u"',
            PasswordRefusedError,
            f"PostgreSQL at {WHERE} refuses the password of role u.",
        ),
        (
            AT + "fe_sendauth: no password supplied",
            PasswordRefusedError,
            f"PostgreSQL at {WHERE} requires a password for role u, and none was given.",
        ),
        (
            AT + 'FATAL:  role "database_reader" does not exist',
            RoleAbsentError,
            f'PostgreSQL at {WHERE} has no role "u". Check the role in the connection string.',
        ),
        (
            AT + 'FATAL:  database "the role" does not exist',
            DatabaseAbsentError,
            f'PostgreSQL at {WHERE} has no database "db". `./creditlab up` creates the lab\'s.',
        ),
        (
            AT + "FATAL:  no such database: db",
            DatabaseAbsentError,
            f'PostgreSQL at {WHERE} has no database "db". `./creditlab up` creates the lab\'s.',
        ),
        (
            AT
            + 'FATAL:  no pg_hba.conf entry for host "10.0.0.2", user "u", database "db", no encryption',
            AccessRefusedError,
            (
                f"PostgreSQL at {WHERE} does not admit role u to database db from this address: no"
                ' pg_hba.conf entry for host "10.0.0.2", user "u", database "db", no encryption. Try'
                " sslmode=require."
            ),
        ),
        (
            AT + "FATAL:  the database system is starting up",
            DatabaseError,
            f"PostgreSQL at {WHERE} refuses role u: the database system is starting up",
        ),
        (
            AT + 'FATAL:  o banco de dados "db" não existe',
            DatabaseError,
            f'PostgreSQL at {WHERE} refuses role u: o banco de dados "db" não existe',
        ),
        (
            AT + "server does not support SSL, but SSL was required",
            TlsRefusedError,
            (
                f"TLS with PostgreSQL at {WHERE} fails (sslmode=prefer): the server has no TLS. Set"
                " ssl = on there, or sslmode=prefer in the string"
            ),
        ),
        (
            AT + "SSL error: certificate verify failed",
            TlsRefusedError,
            f"TLS with PostgreSQL at {WHERE} fails (sslmode=prefer): SSL error: certificate verify failed",
        ),
        (
            AT + "Connection refused\n\tIs the server running on that host?",
            DatabaseUnreachableError,
            f"No PostgreSQL answers at {WHERE}: Connection refused",
        ),
        (
            AT + "timeout expired",
            DatabaseUnreachableError,
            f"No PostgreSQL answers at {WHERE}: timeout expired",
        ),
        (
            'connection to server on socket "/run/.s.PGSQL.5432" failed: No such file or directory',
            DatabaseUnreachableError,
            "No PostgreSQL answers at /run/.s.PGSQL.5432: No such file or directory",
        ),
        (
            'could not translate host name "h" to address: Name or service not known',
            DatabaseUnreachableError,
            'Unknown host "h": Name or service not known',
        ),
        (
            'definition of service "nope" not found',
            DatabaseError,
            (
                'There is no service "nope": services are defined in ~/.pg_service.conf, or in the file'
                " that PGSERVICEFILE names."
            ),
        ),
        (
            'invalid sslmode value: "bogus"',
            DatabaseError,
            'This connection string cannot be used: invalid sslmode value: "bogus".',
        ),
        ("", DatabaseError, "This connection string cannot be used: no reason was given."),
    ],
)
def test_a_refusal_is_sorted_by_its_reason(
    message: str, kind: type[DatabaseError], first_line: str
) -> None:
    found = error(message + "\n", OPTIONS)
    assert type(found) is kind
    assert str(found).splitlines()[0] == first_line


def test_of_several_addresses_the_one_that_answered_gives_the_reason() -> None:
    """And all are listed: the address that refused TCP does not hide the server that refused the role."""
    message = (
        'could not translate host name "gone" to address: Name or service not known\n'
        'connection to server at "127.0.0.2", port 1 failed: Connection refused\n\tIs it running?\n'
        'connection to server at "::1", port 2 failed: FATAL:  role "u" does not exist\n'
    )
    found = error(message, {**OPTIONS, "host": "gone,127.0.0.2,::1"})
    assert type(found) is RoleAbsentError
    assert str(found) == (
        'PostgreSQL at [::1]:2 has no role "u". Check the role in the connection string.\n'
        "All that was tried:\n"
        '  not tried: could not translate host name "gone" to address: Name or service not known\n'
        "  127.0.0.2:1: Connection refused\n"
        '  [::1]:2: FATAL:  role "u" does not exist'
    )
