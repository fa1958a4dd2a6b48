"""Decodes DBM metadata: the server's settings to one snapshot, each table to one.

Two kinds of values must not be stored: settings that are secrets, and column defaults, which are SQL with
literals.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from lab.telemetry import redact
from lab.telemetry.intake.dbm import MetadataEvent, events
from lab.telemetry.intake.dbm_records import nanoseconds
from lab.telemetry.intake.errors import RejectedError, collected, malformed
from lab.telemetry.intake.limits import MAX_VALUES
from lab.telemetry.store import Record, Snapshot

SECRET = re.compile(r"password|secret|key|conninfo|command|passphrase", re.IGNORECASE)
OID = re.compile("[0-9]{1,10}")
# Integer settings have 32 bits.
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,9})(?:\.[0-9]{1,6})?")
MOST_SETTING = 2**31
FREE_TEXT = frozenset({"application_name", "cluster_name"})
NAMES = frozenset({"name", "owner", "database", "schema", "partition_of"})
MAX_DEPTH = 20
OIDS = frozenset({"id", "database_id"})
MOST, MOST_OID = 10_000_000, 2**32


def metadata(body: bytes) -> list[Record]:
    """Decode dbmmetadata: settings, and tables one by one.

    Raises:
        RejectedError: when it is malformed.
    """
    # Counted before decoding: three bytes of JSON may become a list of sixty bytes.
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise RejectedError(413, "too_many", f"more than {MAX_VALUES} values of metadata")
    return collected(record for event in events(body, MetadataEvent) for record in _snapshot(event))


def _snapshot(event: MetadataEvent) -> Iterator[Record]:
    host, at_ns = redact.label(event.host) or "", nanoseconds(event.timestamp)
    parts = event.metadata if isinstance(event.metadata, list) else [event.metadata]
    if event.kind == "pg_settings":
        settings = {
            name: "?" if SECRET.search(name) else _setting(name, part.get("setting"))
            for part in parts
            if (name := redact.label(str(part.get("name"))))
        }
        yield Snapshot(kind="pg_settings", host=host, at_ns=at_ns, payload=_json(settings))
    elif event.kind == "pg_databases":
        for key, table in _tables(parts):
            payload = _json(_clean(table, 0))
            yield Snapshot(kind=f"table {key}", host=host, at_ns=at_ns, payload=payload)


def _tables(databases: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each table with its key: its database and oid, or its names when it has no oid."""
    for database in databases:
        for schema in _objects(database.get("schemas")):
            for table in _objects(schema.get("tables")):
                names = [_name(part) for part in (database, schema, table)]
                oid = OID.fullmatch(str(table.get("id")))
                where: dict[str, Any] = {"database": names[0], "schema": names[1]}
                if of_database := OID.fullmatch(str(database.get("id"))):
                    where["database_id"] = int(of_database[0])
                if oid is None:
                    yield ".".join(names), {**table, **where}
                else:
                    yield f"{names[0]}.{oid[0]}", {**table, **where, "id": int(oid[0])}


def _name(part: Mapping[str, object]) -> str:
    return redact.label(str(part.get("name"))) or "?"


def _objects(value: object) -> list[dict[str, Any]]:
    return [x for x in value if isinstance(x, dict)] if isinstance(value, list) else []


def _setting(name: str, value: object) -> object:
    """Return a setting's redacted value: a number is kept; a text is a name or a list of names."""
    if value is None or isinstance(value, dict | list):
        return _clean(value, 0)
    text = str(value)
    if name not in FREE_TEXT and NUMBER.fullmatch(text) and abs(float(text)) < MOST_SETTING:
        return text
    return text if redact.is_harmless(text.replace('"', "")) else redact.label(text)


def _clean(value: object, depth: int, key: str = "") -> object:
    """Return a redacted value: names and small numbers are kept; any other text may be SQL with literals."""
    if depth > MAX_DEPTH:
        raise malformed(f"metadata nested more than {MAX_DEPTH} deep")
    match value:
        case dict():
            return {
                redact.label(str(k)) or "?": _clean(v, depth + 1, str(k)) for k, v in value.items()
            }
        case list():
            return [_clean(v, depth + 1, key) for v in value]
        case str():
            is_name = key in NAMES or redact.is_harmless(value)
            return redact.label(value) if is_name else redact.statement(value).text
        case float() | int():
            return value if abs(value) < (MOST_OID if key in OIDS else MOST) else None
    return value


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
