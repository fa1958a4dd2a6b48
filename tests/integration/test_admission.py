"""pg_hba.conf at work: which role gets as far as a password from an address that is not the server's own."""

import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from lab.clients.database import Role
from lab.foundation.settings import ROOT
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


# The address of the database's container, that of the network's gateway, and one from beyond.
COMPOSE, GATEWAY, BEYOND = "172.30.0.2", "172.30.0.1", "203.0.113.9"


def in_a_network_of_its_own(command: list[str]) -> list[str]:
    """Return a command line that runs with these addresses; the last one belongs to no interface."""
    setup = f"ip link set lo up && ip addr add {COMPOSE}/24 dev lo && ip route add local {BEYOND} dev lo"
    if os.geteuid() == 0:
        return ["unshare", "--net", "sh", "-c", f'{setup} && exec "$@"', "sh", *command]
    # Root within a user namespace makes the addresses; PostgreSQL refuses to run as root.
    back = f"exec unshare --user --map-user={os.geteuid()} --map-group={os.getegid()}"
    return [
        "unshare", "--map-root-user", "--net", "sh", "-c", f'{setup} && {back} "$@"', "sh", *command,
    ]  # fmt: skip


def test_in_docker_the_superuser_is_refused_from_beyond_the_network(tmp_path: Path) -> None:
    """pg_hba.docker.conf as PostgreSQL reads it: the gateway, through which this machine comes, is let in."""
    try:
        subprocess.run(in_a_network_of_its_own(["true"]), check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine gives no network namespace: {getattr(error, 'stderr', error)}")
    command = [sys.executable, "-m", "tests.standins.beyond_network", str(tmp_path / "server")]
    done = subprocess.run(
        in_a_network_of_its_own([*command, "127.0.0.1", COMPOSE, GATEWAY, BEYOND]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    for source in ("127.0.0.1", COMPOSE, GATEWAY):
        assert "SCRAM-SHA-256" in answers[f"postgres from {source}"]
    assert f'no pg_hba.conf entry for host "{BEYOND}"' in answers[f"postgres from {BEYOND}"]
    assert "SCRAM-SHA-256" in answers[f"credit_app from {BEYOND}"]
