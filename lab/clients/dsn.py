"""Error messages for malformed PostgreSQL connection strings (DSN) that quote no part of the string.

libpq quotes the part that it cannot parse; when a password has an unencoded `@`, `/` or `%`, that part is a
piece of the password. So the string is examined here first, and libpq's message is not shown.
"""

import re
from collections.abc import Mapping

FORM = (
    "Write it as postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE or as host=... dbname=... user=..."
)
NO_UTF8 = (
    "This connection string has bytes that are not UTF-8, as they are or as %XX. The driver, psycopg2, cannot"
    " send them.\nWrite it in UTF-8. If the name of a database or role is stored in another encoding, connect"
    " with psql and rename it (ALTER DATABASE ... RENAME TO, ALTER ROLE ... RENAME TO)."
)
_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_PAIR = re.compile(
    r"\s*\w+\s*=\s*(?:'(?:[^'\\]|\\.)*+'|(?!')(?:[^\s\\]|\\.)*+)(?=\s|\Z)", re.DOTALL
)
_NOT_ENCODED = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_DOTNET = re.compile(r"\s*(?:server|data source|host|user id)\s*=[^;]*;", re.IGNORECASE)
_LAST_PORT = 65_535
# URL parameters of other clients, by client.
_FOREIGN = {
    **dict.fromkeys(
        (
            "schema", "connection_limit", "pool_timeout", "pgbouncer", "sslaccept", "sslidentity",
            "socket_timeout", "statement_cache_size", "single_use_connections",
        ),
        "Prisma",
    ),
    **dict.fromkeys(("prepared_statement_cache_size", "async_fallback"), "SQLAlchemy"),
    **dict.fromkeys(("currentSchema", "sslfactory", "loginTimeout", "prepareThreshold"), "JDBC"),
    **dict.fromkeys(("pool", "pool_size", "search_path", "sslEnabled"), "another client"),
}  # fmt: skip


def fault(target: str) -> str | None:
    """Return why a connection string is malformed; the text quotes names of options at most.

    >>> fault("postgresql+psycopg2://u:p@h/db")
    'it is a URL of SQLAlchemy; leave +psycopg2 out'
    >>> fault("postgresql://u:p@h/db")
    """
    if not target.strip():
        return "it is empty"
    if target.startswith("jdbc:"):
        return "it is a JDBC URL; leave jdbc: out, and put ROLE:PASSWORD@ before the host"
    uri = _URI.fullmatch(target)
    if uri is None:
        return _fault_of_pairs(target)
    scheme = uri["scheme"]
    dialect, plus, driver = scheme.partition("+")
    if plus and dialect in {"postgresql", "postgres"}:
        return f"it is a URL of SQLAlchemy; leave +{driver} out"
    if scheme not in {"postgresql", "postgres"}:
        return f"its scheme is {scheme}, where postgresql was expected"
    return _fault_of_uri(uri["rest"])


def fault_of_ports(options: Mapping[str, str]) -> str | None:
    """Return why the ports of a parsed connection string are invalid; `port` may be a list.

    >>> fault_of_ports({"port": "5432,0"})
    'a port is no number from 1 to 65535'
    """
    for port in options.get("port", "").split(","):
        if port and not (port.isascii() and port.isdigit() and 1 <= int(port) <= _LAST_PORT):
            return f"a port is no number from 1 to {_LAST_PORT}"
    return None


def _fault_of_uri(rest: str) -> str | None:
    place, _, query = rest.partition("?")
    authority, _, path = place.partition("/")
    if _NOT_ENCODED.search(rest):
        return "a % is not followed by two hexadecimal digits; a % of a password is written as %25"
    if authority.count("@") > 1 or "@" in path or ("@" not in authority and _unnamed(query)):
        return (
            "the role or the password holds a character that must be encoded:"
            " @ as %40, / as %2F, : as %3A, ? as %3F, # as %23, % as %25"
        )
    hosts = authority.rpartition("@")[2]
    if hosts.count("[") != hosts.count("]"):
        return "the brackets of an IPv6 address do not match"
    if not hosts.startswith("[") and hosts.count(":") > hosts.count(",") + 1:
        return "an IPv6 address must be in brackets"
    return _fault_of_options(query)


def _fault_of_options(query: str) -> str | None:
    for parameter in filter(None, query.split("&")):
        name, equals, value = parameter.partition("=")
        if name in _FOREIGN:
            return (
                f"{name} is an option of {_FOREIGN[name]}, which libpq does not know; leave it out"
            )
        if not equals:
            return "an option after the ? has no value"
        if "=" in value:
            return "the value of an option after the ? holds =, which is written as %3D"
    return None


def _unnamed(query: str) -> bool:
    return "@" in query.partition("=")[0]


def _fault_of_pairs(target: str) -> str | None:
    if "=" not in target:
        return "it is neither a URI nor a list of key=value"
    if _DOTNET.match(target):
        return "it is a connection string of .NET; separate by spaces, and write host, port, dbname, user"
    position = 0
    while position < len(target.rstrip()):
        pair = _PAIR.match(target, position)
        if pair is None:
            break
        position = pair.end()
    else:
        return None
    if re.match(r"\s*\w+\s*=\s*'", target[position:]):
        return "a quoted value has no closing '"
    return "a word has no =; a value with a space must be in single quotes"
