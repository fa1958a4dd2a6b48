"""Which statement a key means: a queryid, a signature of DBM, or a name.

The key of a link may be older than the statement's text: a trace has the statement's name at once, query
metrics have its queryid, and the text arrives with a later DBM event or log line.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from lab.drilldown.errors import NotFoundError
from lab.drilldown.queries import SQL, queryids_of, signatures_of
from lab.foundation.suggestions import unknown
from lab.telemetry import redact
from lab.telemetry.store import Reader
from workload.statements import STATEMENTS

INTEGER = re.compile(r"-?[0-9]{1,19}")
NO_TEXT = "no DBM event or log line with the statement's text has arrived yet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """One statement.

    Attributes:
        queryids: sorted; several for a name, as PostgreSQL has one for each length of an IN list.
        keys: its keys in a list of statements: queryids in decimal, or a signature.
        text: normalized; empty before it has arrived.
    """

    queryids: tuple[int, ...]
    signatures: frozenset[str]
    keys: frozenset[str]
    name: str | None
    owner: str | None
    text: str


def identify(reader: Reader, key: str) -> Identity:
    """Return the statement of a key.

    Raises:
        NotFoundError: when neither the store nor workload/sql/ has it, with the most similar name.
    """
    found = reader.rows(SQL["identity"], {"key": key}) or _declared(key) or _mentioned(reader, key)
    if not found:
        raise _not_found(reader, key)
    _, _, _, name, owner, text = found[0]
    signatures = {row[2] for row in found if row[2] is not None}
    queryids = {row[1] for row in found if row[1] is not None} | queryids_of(reader, signatures)
    return Identity(
        queryids=tuple(sorted(queryids)),
        signatures=frozenset(signatures | signatures_of(reader, queryids)),
        keys=frozenset({row[0] for row in found} | set(map(str, queryids))),
        name=name,
        owner=owner,
        text=text,
    )


def known_keys(reader: Reader, keys: Collection[str]) -> frozenset[str]:
    """Return the queryids in decimal, signatures and names of which the text is known.

    A COMMIT has a queryid and no text.
    """
    found = reader.rows(SQL["known_keys"], {"keys": json.dumps(sorted(keys))})
    return frozenset(key for (key,) in found) | (STATEMENTS.keys() & keys)


def _mentioned(reader: Reader, key: str) -> list[tuple[Any, ...]]:
    """Return the identity of which executions, plans, samples or query metrics have come, and no text."""
    queryid = int(key) if INTEGER.fullmatch(key) and abs(int(key)) < 1 << 63 else None
    return reader.rows(SQL["mentioned"], {"key": key, "queryid": queryid})


def _declared(key: str) -> list[tuple[Any, ...]]:
    """Return the identity of a statement of the services, which no observer has reported yet."""
    statement = STATEMENTS.get(key)
    if statement is None:
        return []
    text = redact.statement(statement.sql).text
    return [(key, None, None, statement.name, statement.service, text)]


def _not_found(reader: Reader, key: str) -> NotFoundError:
    if INTEGER.fullmatch(key):
        return NotFoundError(
            f"The store has no queryid {key}. `./creditlab queries` lists the statements that it has."
        )
    sql = "SELECT DISTINCT name FROM statements WHERE name IS NOT NULL"
    names = {name for (name,) in reader.rows(sql)} | STATEMENTS.keys()
    return NotFoundError(unknown("statement", key, sorted(names)))
