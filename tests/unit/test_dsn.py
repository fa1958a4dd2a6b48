"""Connection strings as people write them: each malformed one has one reason, and no secret is quoted."""

import pytest

from lab.clients.database import options_of
from lab.clients.dsn import fault_of_ports
from lab.foundation.errors import DatabaseError

ENCODE = (
    "the role or the password holds a character that must be encoded:"
    " @ as %40, / as %2F, : as %3A, ? as %3F, # as %23, % as %25"
)
PERCENT = "a % is not followed by two hexadecimal digits; a % of a password is written as %25"
EQUALS = "the value of an option after the ? holds =, which is written as %3D"
PORT = "a port is no number from 1 to 65535"
WORD = "a word has no =; a value with a space must be in single quotes"
UNKNOWN = "it has an option that libpq does not know, or a value that cannot be read"
NEITHER = "it is neither a URI nor a list of key=value"


def prisma(name: str) -> str:
    return f"{name} is an option of Prisma, which libpq does not know; leave it out"


# SECRET, and each of its halves SEC and RET, is a password.
MALFORMED = {
    "": "it is empty",
    " \n": "it is empty",
    "postgresql+psycopg2://u:SECRET@h/db": "it is a URL of SQLAlchemy; leave +psycopg2 out",
    "postgresql+asyncpg://u:SECRET@h/db?x=1": "it is a URL of SQLAlchemy; leave +asyncpg out",
    "jdbc:postgresql://h/db?user=u&password=SECRET": (
        "it is a JDBC URL; leave jdbc: out, and put ROLE:PASSWORD@ before the host"
    ),
    "mysql://u:SECRET@h/db": "its scheme is mysql, where postgresql was expected",
    "prisma://h/?api_key=SECRET": "its scheme is prisma, where postgresql was expected",
    "POSTGRESQL://u:SECRET@h/db": "its scheme is POSTGRESQL, where postgresql was expected",
    "postgresql://u:SECRET@h/db?schema=public": prisma("schema"),
    "postgresql://u:SECRET@h/db?pgbouncer=true&connection_limit=1": prisma("pgbouncer"),
    "postgresql://u:SECRET@h/db?sslmode=require&sslaccept=strict": prisma("sslaccept"),
    "postgresql://u:SECRET@h/db?currentSchema=app": (
        "currentSchema is an option of JDBC, which libpq does not know; leave it out"
    ),
    "postgresql://u:SECRET@h/db?SECRET2=1": UNKNOWN,
    "postgresql://u:SECRET@h/db?sslmode": "an option after the ? has no value",
    "postgresql://u:SECRET@h/db?options=-csearch_path=app": EQUALS,
    "postgresql://u:SECRET@h/db?options=-c%20search_path=app&sslmode=prefer": EQUALS,
    "postgresql://u@h/db?password=SEC=RET": EQUALS,
    "postgresql://u:SEC@RET@h/db": ENCODE,
    "postgresql://u:SEC/RET@h/db": ENCODE,
    "postgresql://u:SEC?RET@h/db": ENCODE,
    "postgresql://u:SEC@RET:w/rd1@h:5432/db": ENCODE,
    "postgresql://u:SEC@RET:w/rd%1@h:5432/db": PERCENT,
    "postgresql://u:SEC%RET@h/db": PERCENT,
    "postgresql://u:SECRET%@h/db": PERCENT,
    "postgresql://u:SEC%00RET@h/db": PERCENT,
    "postgresql://u@h/db?password=SEC%RET": PERCENT,
    "postgresql://u:SECRET/db": PORT,
    "postgresql://u:SECRET@h:RET/db": PORT,
    "postgresql://u:SECRET@h:99999/db": PORT,
    "postgresql://u:SECRET@h1:5432,h2:0/db": PORT,
    "host=h port=5432x password=SECRET": PORT,
    "postgresql://u:SECRET@[::1/db": "the brackets of an IPv6 address do not match",
    "postgresql://u:SECRET@::1/db": "an IPv6 address must be in brackets",
    "u:SECRET@h/db": NEITHER,
    "SECRET": NEITHER,
    "host=h password=SEC RET": WORD,
    "host=h user": WORD,
    "host=h password='SEC RET": "a quoted value has no closing '",
    "host=h password=SEC RET=1": UNKNOWN,
    "Server=h;Port=5432;User Id=u;Password=SECRET": (
        "it is a connection string of .NET; separate by spaces, and write host, port, dbname, user"
    ),
    "host=h colour=SECRET": UNKNOWN,
}
NOT_UTF8 = [
    "postgresql://u:SEC%FFRET@h/db",
    "postgresql://u:SECRET@h/caf%E9",
    # What Python makes of an argument that is not UTF-8.
    "postgresql://u:SEC\udcffRET@h/db",
    "host=h dbname=caf\udce9 password=SECRET",
    "host=h user=\udce9 password=SECRET",
]
WELL_FORMED = {
    "postgresql://": {},
    "postgres://h": {"host": "h"},
    " postgresql://u@h/db\n": {"user": "u", "host": "h", "dbname": "db"},
    "postgresql://u:p%40ss%2Fw%25@h/db": {
        "user": "u", "password": "p@ss/w%", "host": "h", "dbname": "db",
    },
    "postgresql://u:p:q@h/db": {"user": "u", "password": "p:q", "host": "h", "dbname": "db"},
    "postgresql://u@h1:1,h2:2/db?target_session_attrs=any": {
        "user": "u", "host": "h1,h2", "port": "1,2", "dbname": "db", "target_session_attrs": "any",
    },
    "postgresql://[::1]:5432/db": {"host": "::1", "port": "5432", "dbname": "db"},
    "postgresql://%2Frun%2Fpostgresql/db": {"host": "/run/postgresql", "dbname": "db"},
    "postgresql:///db?host=/run&user=u@tenant": {"dbname": "db", "host": "/run", "user": "u@tenant"},
    "host = 'h' password='it\\'s \\\\' dbname=a=b": {
        "host": "h", "password": "it's \\", "dbname": "a=b",
    },
    "service=mine": {"service": "mine"},
    "postgresql://h/db?options=-csearch_path%3Dapp": {
        "host": "h", "dbname": "db", "options": "-csearch_path=app",
    },
}  # fmt: skip


@pytest.mark.parametrize("target", NOT_UTF8)
def test_bytes_that_the_driver_cannot_send_are_reported_with_the_way_out(target: str) -> None:
    """libpq takes them, psycopg2 does not: a database of such a name is renamed first."""
    with pytest.raises(DatabaseError, match="bytes that are not UTF-8") as error:
        options_of(target)
    assert "ALTER DATABASE ... RENAME TO" in str(error.value)
    assert not any(part in str(error.value) for part in ("SEC", "RET", "caf", "udc"))
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None


@pytest.mark.parametrize(("target", "reason"), MALFORMED.items())
def test_a_malformed_connection_string_has_one_reason_and_quotes_no_secret(
    target: str, reason: str
) -> None:
    with pytest.raises(DatabaseError) as error:
        options_of(target)
    assert str(error.value) == (
        f"This is not a PostgreSQL connection string: {reason}.\nWrite it as"
        " postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE or as host=... dbname=... user=..."
    )
    assert not any(part in str(error.value) for part in ("SEC", "RET", "w/rd"))
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None


@pytest.mark.parametrize(("target", "options"), WELL_FORMED.items())
def test_a_well_formed_connection_string_is_taken(target: str, options: dict[str, str]) -> None:
    assert options_of(target) == options


@pytest.mark.parametrize(
    ("port", "is_valid"),
    [("1", True), ("65535", True), ("65536", False), ("0", False), ("-1", False), ("5432,,1", True),
     ("", True), ("٣", False), ("1,x", False)],
)  # fmt: skip
def test_the_ports_of_a_connection_string(port: str, is_valid: bool) -> None:
    expected = None if is_valid else "a port is no number from 1 to 65535"
    assert fault_of_ports({"port": port}) == expected
