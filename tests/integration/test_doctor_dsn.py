"""Connection strings that are well formed, on a real server: each gives a report, or the one real reason."""

import sys
from collections.abc import Iterator

import pytest

from lab.cli import main
from lab.clients.database import Role, connect, dsn, rows
from lab.doctor import examine
from lab.foundation.errors import (
    AccessRefusedError,
    DatabaseAbsentError,
    DatabaseError,
    DatabaseUnreachableError,
    PasswordRefusedError,
    RoleAbsentError,
    TlsRefusedError,
)
from lab.stack.native.binaries import Program
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import NOT_DURABLE, free_port, running, settings_for

HBA = """\
host  all   blocked   all  reject
host  shop  nobody    all  trust
host  all   trusted,database_reader,no_login  all  trust
host  all   postgres,few  all  scram-sha-256
"""
ROLES = (
    "CREATE ROLE blocked LOGIN",
    "CREATE ROLE trusted LOGIN",
    "CREATE ROLE no_login",
    "CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 0",
    "CREATE DATABASE shop",
    'CREATE DATABASE "the role"',
)

HERE = "127.0.0.1:{port}"
SHAPES: dict[str, tuple[type[DatabaseError], str]] = {
    "host=127.0.0.1 port={port} user=database_reader dbname=shop": (
        RoleAbsentError,
        f'PostgreSQL at {HERE} has no role "database_reader". Check the role in the connection string.',
    ),
    "postgresql://trusted@127.0.0.1:{port}/absent": (
        DatabaseAbsentError,
        f'PostgreSQL at {HERE} has no database "absent". `./creditlab up` creates the lab\'s.',
    ),
    "postgresql://trusted@127.0.0.1:{port}/role": (
        DatabaseAbsentError,
        f'PostgreSQL at {HERE} has no database "role". `./creditlab up` creates the lab\'s.',
    ),
    "postgresql://trusted@127.0.0.1:{port}": (
        DatabaseAbsentError,
        f'PostgreSQL at {HERE} has no database "trusted". `./creditlab up` creates the lab\'s.',
    ),
    "postgresql://blocked@127.0.0.1:{port}/shop": (
        AccessRefusedError,
        (
            f"PostgreSQL at {HERE} does not admit role blocked to database shop from this address:"
            ' pg_hba.conf rejects connection for host "127.0.0.1", user "blocked", database "shop",'
            " no encryption. Try sslmode=require."
        ),
    ),
    "postgresql://stranger@127.0.0.1:{port}/shop": (
        AccessRefusedError,
        (
            f"PostgreSQL at {HERE} does not admit role stranger to database shop from this address:"
            ' no pg_hba.conf entry for host "127.0.0.1", user "stranger", database "shop",'
            " no encryption. Try sslmode=require."
        ),
    ),
    "postgresql://no_login@127.0.0.1:{port}/shop": (
        DatabaseError,
        f'PostgreSQL at {HERE} refuses role no_login: role "no_login" is not permitted to log in',
    ),
    "postgresql://few:few@127.0.0.1:{port}/shop": (
        DatabaseError,
        f'PostgreSQL at {HERE} refuses role few: too many connections for role "few"',
    ),
    "postgresql://postgres@127.0.0.1:{port}/shop": (
        PasswordRefusedError,
        f"PostgreSQL at {HERE} requires a password for role postgres, and none was given.",
    ),
    "postgresql://postgres:S3cr%25t@127.0.0.1:{port}/shop": (
        PasswordRefusedError,
        f"PostgreSQL at {HERE} refuses the password of role postgres.",
    ),
    "postgresql://trusted@127.0.0.1:{port}/shop?sslmode=require": (
        TlsRefusedError,
        (
            f"TLS with PostgreSQL at {HERE} fails (sslmode=require): the server has no TLS."
            " Set ssl = on there, or sslmode=prefer in the string"
        ),
    ),
    "postgresql://trusted@127.0.0.1:{port}/shop?sslmode=bogus": (
        DatabaseError,
        'This connection string cannot be used: invalid sslmode value: "bogus".',
    ),
    "postgresql://blocked@127.0.0.2:{free},127.0.0.1:{port}/shop": (
        AccessRefusedError,
        (
            f"PostgreSQL at {HERE} does not admit role blocked to database shop from this address:"
            ' pg_hba.conf rejects connection for host "127.0.0.1", user "blocked", database "shop",'
            " no encryption. Try sslmode=require."
        ),
    ),
    "postgresql://trusted@127.0.0.1:{free}/shop": (
        DatabaseUnreachableError,
        "No PostgreSQL answers at 127.0.0.1:{free}: Connection refused",
    ),
    "postgresql://trusted@no-such-host.invalid/shop": (
        DatabaseUnreachableError,
        'Unknown host "no-such-host.invalid": ',
    ),
    "host=/nowhere user=trusted port={port}": (
        DatabaseUnreachableError,
        "No PostgreSQL answers at /nowhere/.s.PGSQL.{port}: No such file or directory",
    ),
    "service=absent": (
        DatabaseError,
        (
            'There is no service "absent": services are defined in ~/.pg_service.conf, or in the file'
            " that PGSERVICEFILE names."
        ),
    ),
}
GOOD = [
    "postgresql://trusted@127.0.0.1:{port}/shop",
    "postgres://trusted@127.0.0.1:{port}/the%20role",
    "postgresql://trusted@127.0.0.2:{free},127.0.0.1:{port}/shop",
    "host=127.0.0.1 port={port} user=trusted dbname='the role' sslmode=disable",
    " postgresql://127.0.0.1:{port}/shop?user=trusted&application_name=mine\n",
    "postgresql://trusted@127.0.0.1:{port}/shop?options=-c%20search_path%3Dapp",
    "postgresql://trusted@127.0.0.1:{port}/shop?client_encoding=latin1",
]


@pytest.fixture(scope="module")
def port(postgres: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server whose pg_hba.conf trusts some roles, and refuses others."""
    theirs = tmp_path_factory.mktemp("theirs")
    (theirs / "conf").mkdir()
    (theirs / "conf" / "postgresql.conf").write_text("max_connections = 20\n")
    (theirs / "conf" / "pg_hba.conf").write_text(HBA)
    cluster = Cluster(
        settings=settings_for(port=free_port(), database="postgres"),
        state=theirs / "server",
        bin=postgres.path.parent,
        libraries=postgres.libraries,
        options=NOT_DURABLE,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.stack.native.cluster._POSTGRES", theirs)
        with running(cluster):
            with connect(dsn(cluster.settings, Role.SUPERUSER)) as connection:
                for statement in ROLES:
                    rows(connection, statement)
            yield cluster.settings.postgres_port


@pytest.mark.parametrize("shape", SHAPES)
def test_a_connection_that_cannot_be_opened_gives_the_real_reason(port: int, shape: str) -> None:
    kind, words = SHAPES[shape]
    places = {"port": port, "free": free_port()}
    with pytest.raises(DatabaseError) as error:
        examine(shape.format(**places))
    assert type(error.value) is kind
    first = str(error.value).splitlines()[0]
    assert (
        first.startswith(words.format(**places))
        if words.endswith(" ")
        else first == words.format(**places)
    )
    assert "S3cr" not in str(error.value)


def test_every_address_that_was_tried_is_listed(port: int) -> None:
    free = free_port()
    with pytest.raises(DatabaseError) as error:
        examine(f"postgresql://blocked@127.0.0.2:{free},127.0.0.1:{port}/shop")
    assert f"\n  127.0.0.2:{free}: Connection refused\n  127.0.0.1:{port}: FATAL: " in str(
        error.value
    )


@pytest.mark.parametrize("shape", GOOD)
def test_a_well_formed_string_gives_a_report(port: int, shape: str) -> None:
    report = examine(shape.format(port=port, free=free_port()))
    assert report.role == "trusted"
    assert report.checks


@pytest.mark.parametrize("given", ["", " "])
def test_an_empty_string_does_not_mean_the_labs_own_database(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["creditlab", "doctor", "--dsn", given])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == DatabaseError.exit_status
    assert "This is not a PostgreSQL connection string: it is empty." in capsys.readouterr().err
