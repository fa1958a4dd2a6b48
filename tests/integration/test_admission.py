"""pg_hba.conf at work: which role gets as far as a password from an address that is not the server's own."""

import socket
import struct

import pytest

from lab.clients.database import Role
from tests.fix_postgres import Database

# A loopback address that no interface has: samehost knows 127.0.0.1 alone.
ELSEWHERE = "127.0.0.2"


def first_answer(database: Database, user: str, source: str) -> bytes:
    """Return the server's first message to a session of a role, up to the first time it pauses."""
    fields = ["user", user, "database", database.name, ""]
    body = struct.pack("!I", 3 << 16) + b"\0".join(field.encode() for field in fields) + b"\0"
    with socket.create_connection(
        (database.host, database.port), timeout=60, source_address=(source, 0)
    ) as session:
        session.sendall(struct.pack("!I", len(body) + 4) + body)
        return session.recv(4096)


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.SUPERUSER}))
def test_a_role_of_the_lab_is_asked_for_its_password_from_any_address(
    database: Database, role: Role
) -> None:
    assert b"SCRAM-SHA-256" in first_answer(database, role.value, ELSEWHERE)


def test_the_superuser_is_refused_from_another_address(database: Database) -> None:
    user = database.settings.postgres_user
    assert b"SCRAM-SHA-256" in first_answer(database, user, database.host)
    answer = first_answer(database, user, ELSEWHERE)
    assert answer[:1] == b"E"
    assert b"no pg_hba.conf entry" in answer
