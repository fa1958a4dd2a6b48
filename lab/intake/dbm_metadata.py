"""What DBM says of the server itself: its settings as one snapshot, its tables as one each.

Both come from the catalogue, where two things are not for the store: settings that hold secrets, and column
defaults, which are SQL with literals.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from lab import redact
from lab.intake.dbm import MetadataEvent, events
from lab.intake.dbm_records import nanoseconds
from lab.intake.errors import malformed
from lab.store import Record, Snapshot

SECRET = re.compile(r"password|secret|key|conninfo|command|passphrase", re.IGNORECASE)
OID = re.compile("[0-9]{1,10}")
MAX_DEPTH = 20


def metadata(body: bytes) -> list[Record]:
    """Read dbmmetadata: settings, and tables one by one.

    Raises:
        RejectedError: when it is malformed.
    """
    return [record for event in events(body, MetadataEvent) for record in _snapshot(event)]


def _snapshot(event: MetadataEvent) -> Iterator[Record]:
    host, at_ns = redact.label(event.host) or "", nanoseconds(event.timestamp)
    parts = event.metadata if isinstance(event.metadata, list) else [event.metadata]
    if event.kind == "pg_settings":
        settings = {
            name: "?" if SECRET.search(name) else _clean(part.get("setting"), 0)
            for part in parts
            if (name := redact.label(str(part.get("name"))))
        }
        yield Snapshot(kind="pg_settings", host=host, at_ns=at_ns, payload=_json(settings))
    elif event.kind == "pg_databases":
        for name, table in _tables(parts):
            clean = _json(_clean({**table, **_oid(table)}, 0))
            yield Snapshot(kind=f"table {name}", host=host, at_ns=at_ns, payload=clean)


def _oid(table: Mapping[str, object]) -> dict[str, int]:
    """A table's oid comes as text; as a number it stays, as text it might be anybody's."""
    oid = OID.fullmatch(str(table.get("id")))
    return {"id": int(oid[0])} if oid else {}


def _tables(databases: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for database in databases:
        for schema in _objects(database.get("schemas")):
            for table in _objects(schema.get("tables")):
                names = (redact.label(str(x.get("name"))) or "?" for x in (database, schema, table))
                yield ".".join(names), table


def _objects(value: object) -> list[dict[str, Any]]:
    return [x for x in value if isinstance(x, dict)] if isinstance(value, list) else []


def _clean(value: object, depth: int) -> object:
    """Names and numbers stay; any other text may be a default with a literal in it."""
    if depth > MAX_DEPTH:
        raise malformed(f"metadata nested more than {MAX_DEPTH} deep")
    match value:
        case dict():
            return {redact.label(str(k)) or "?": _clean(v, depth + 1) for k, v in value.items()}
        case list():
            return [_clean(v, depth + 1) for v in value]
        case str():
            return value if redact.label(value) == value else redact.statement(value).text
    return value


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
