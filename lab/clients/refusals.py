"""Classifies libpq's connection failures: from its message to one of the lab's errors.

libpq reports only a message: there is no SQLSTATE before a session exists. With several addresses the
message has one paragraph for each; the paragraph in which a server answered is the most specific.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lab.clients.dsn import FORM
from lab.foundation.errors import (
    AccessRefusedError,
    DatabaseAbsentError,
    DatabaseError,
    DatabaseUnreachableError,
    PasswordRefusedError,
    RoleAbsentError,
    TlsRefusedError,
)

_ATTEMPT = re.compile(
    r'connection to server (?:at "(?P<host>[^"]{0,300}+)"(?: \((?P<address>[^)]{0,100}+)\))?+'
    r', port (?P<port>\d{1,5}+)|on socket "(?P<socket>[^"]{0,300}+)") failed: '
)
# Advice that holds for the lab's own database only; `of_another_server` removes it.
_SEE_STATUS = "; `./creditlab status` shows that of the lab's own database"
_OWN_PASSWORDS = (
    " The lab's own passwords are read from the environment and from .env, and were set when the role was"
    " created."
)
_UP_CREATES = " `./creditlab up` creates the lab's."
_CHECK_ADDRESS = f"Check the address in the connection string{_SEE_STATUS}."


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The failure for one address; `where` is empty when none was tried."""

    where: str
    reason: str

    @property
    def answered(self) -> bool:
        """Whether the reason is that of a PostgreSQL server or a pooler."""
        return self.reason.startswith("FATAL:")


def error(message: str, options: Mapping[str, str]) -> DatabaseError:
    """Return the error for a failed connection.

    Args:
        message: libpq's, of one or more lines.
        options: of the connection string, as parsed.
    """
    found = list(dict.fromkeys(_refusals(message)))
    decisive = next((r for r in found if r.answered), found[-1])
    sorted_error = _sorted(decisive, options)
    if len({refusal.where for refusal in found}) > 1:
        tried = "".join(f"\n  {r.where or 'not tried'}: {r.reason}" for r in found)
        sorted_error.args = (f"{sorted_error}\nAll that was tried:{tried}",)
    return sorted_error


def of_another_server(message: str) -> str:
    """Return an error's message without the advice that holds for the lab's own database only."""
    for advice in (_SEE_STATUS, _OWN_PASSWORDS, _UP_CREATES):
        message = message.replace(advice, "")
    return message


def _refusals(message: str) -> Iterator[Refusal]:
    attempts = list(_ATTEMPT.finditer(message))
    starts = [*(attempt.start() for attempt in attempts), len(message)]
    before = message[: starts[0]]
    for line in before.strip().splitlines() or ([] if attempts else ["no reason was given"]):
        yield Refusal(where="", reason=line.strip())
    for attempt, end in zip(attempts, starts[1:], strict=True):
        reason = message[attempt.end() : end].strip().splitlines()
        yield Refusal(where=_where(attempt), reason=reason[0] if reason else "no reason was given")


def _where(attempt: re.Match[str]) -> str:
    if attempt["socket"]:
        return attempt["socket"]
    host, address = attempt["host"], attempt["address"]
    name = f"{host} ({address})" if address else f"[{host}]" if ":" in host else host
    return f"{name}:{attempt['port']}"


def _sorted(refusal: Refusal, options: Mapping[str, str]) -> DatabaseError:
    where = refusal.where or options.get("host", "the local socket")
    role = options.get("user", "(your user name)")
    reason = refusal.reason.removeprefix("FATAL:").strip()
    if refusal.answered or "no password supplied" in reason:
        return _answered(where, role, reason, options)
    if re.search(r"\bSSL\b|certificate|private key", reason):
        if "does not support SSL" in reason:
            reason = "the server has no TLS. Set ssl = on there, or sslmode=prefer in the string"
        return TlsRefusedError(
            f"TLS with PostgreSQL at {where} fails"
            f" (sslmode={options.get('sslmode', 'prefer')}): {reason}"
        )
    if service := re.match(r"definition of service (.*) not found", reason):
        return DatabaseError(
            f"There is no service {service[1]}: services are defined in ~/.pg_service.conf,"
            " or in the file that PGSERVICEFILE names."
        )
    if name := re.match(r"could not translate host name (.*) to address: (.*)", reason):
        return DatabaseUnreachableError(f"Unknown host {name[1]}: {name[2]}\n{_CHECK_ADDRESS}")
    if refusal.where and not reason.startswith("invalid "):
        return DatabaseUnreachableError(
            f"No PostgreSQL answers at {where}: {reason}\n{_CHECK_ADDRESS}"
        )
    return DatabaseError(f"This connection string cannot be used: {reason}.\n{FORM}")


def _answered(where: str, role: str, reason: str, options: Mapping[str, str]) -> DatabaseError:
    database = options.get("dbname", role)
    if "password authentication failed" in reason:
        return PasswordRefusedError(
            f"PostgreSQL at {where} refuses the password of role {role}.\nCheck it.{_OWN_PASSWORDS}",
            sqlstate="28P01",
        )
    if "no password supplied" in reason:
        return PasswordRefusedError(
            f"PostgreSQL at {where} requires a password for role {role}, and none was given.",
            sqlstate="28P01",
        )
    if re.match(r'role "[^"]*" does not exist', reason) or reason.startswith("no such user"):
        return RoleAbsentError(
            f'PostgreSQL at {where} has no role "{role}". Check the role in the connection string.',
            sqlstate="28000",
        )
    if re.match(r'database "[^"]*" does not exist|no such database', reason):
        return DatabaseAbsentError(
            f'PostgreSQL at {where} has no database "{database}".{_UP_CREATES}',
            sqlstate="3D000",
        )
    if "pg_hba.conf" in reason:
        way = " Try sslmode=require." if re.search("no encryption|SSL off", reason) else ""
        return AccessRefusedError(
            f"PostgreSQL at {where} does not admit role {role} to database {database} from this"
            f" address: {reason}.{way}",
            sqlstate="28000",
        )
    return DatabaseError(f"PostgreSQL at {where} refuses role {role}: {reason}")
