"""The Agent's shapes: what goes over the wire, as Datadog's postgres check makes it.

Statements are redacted here already, as an Agent obfuscates them; `query_signature` is of the redacted text,
because the Agent's own can only be computed by its Go code.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from lab import redact
from lab.embedded.deltas import FIGURES, Key
from lab.intake.dbm_records import EMBEDDED_VERSION

Event: TypeAlias = dict[str, object]
INTERVAL_S = 10
TAGS = ["dbms:postgres", "agent:embedded"]


def signature(text: str) -> str:
    """Return a signature of a redacted statement."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def metrics(
    rows: Mapping[Key, tuple[float, ...]], texts: Mapping[int, str], *, host: str, at_ms: float
) -> Event:
    """Return an element of dbmmetrics."""
    return {
        **_common(host, at_ms),
        "min_collection_interval": INTERVAL_S,
        "tags": TAGS,
        "postgres_rows": [_row(key, figures, texts) for key, figures in rows.items()],
    }


def activity(sessions: Sequence[Event], *, host: str, at_ms: float) -> Event:
    """Return an element of dbmactivity."""
    return {
        **_common(host, at_ms),
        "dbm_type": "activity",
        "collection_interval": 1,
        "ddtags": TAGS,
        "postgres_activity": sessions,
        "postgres_connections": [],
    }


def session(row: Sequence[object]) -> Event:
    """Return one row of the query `sessions`, its statement redacted."""
    (
        pid,
        database,
        role,
        application,
        backend,
        state,
        kind,
        event,
        queryid,
        text,
        started,
        xact,
        blockers,
    ) = row
    redacted = redact.statement(str(text or ""))
    found = {
        "pid": pid,
        "datname": database,
        "usename": role,
        "application_name": application,
        "backend_type": backend,
        "state": state,
        "wait_event_type": kind,
        "wait_event": event,
        "query_id": queryid,
        "statement": redacted.text,
        "query_signature": signature(redacted.text),
        "dd_comments": redact.render(redacted.comment),
        "query_start": _iso(started),
        "xact_start": _iso(xact),
        "blocking_pids": blockers or [],
    }
    return {key: value for key, value in found.items() if value is not None}


def plan(
    session: Event, definition: str | None, error: str | None, *, host: str, at_ms: float
) -> Event:
    """Return an element of databasequery: a plan, or why there is none."""
    cleaned = redact.plan(definition) if definition else None
    errors = [{"code": error, "message": None}] if error else None
    return {
        **_common(host, at_ms),
        "dbm_type": "plan",
        "ddtags": ",".join(TAGS),
        "db": {
            "instance": session.get("datname"),
            "plan": {
                "definition": cleaned.definition if cleaned else None,
                "signature": cleaned.shape if cleaned else None,
                "collection_errors": errors,
            },
            "query_signature": session["query_signature"],
            "resource_hash": session["query_signature"],
            "application": session.get("application_name"),
            "user": session.get("usename"),
            "statement": session["statement"],
            "metadata": {"tables": None, "commands": None, "comments": session["dd_comments"]},
            "query_truncated": "not_truncated",
        },
        "postgres": {key: session[key] for key in ("pid", "query_id", "state") if key in session},
    }


def settings(rows: Sequence[Sequence[object]], *, host: str, at_ms: float) -> Event:
    """Return an element of dbmmetadata with the server's settings."""
    found = [{"name": name, "setting": setting} for name, setting in rows]
    return {**_metadata(host, at_ms), "kind": "pg_settings", "metadata": found}


def schema(rows: Sequence[Sequence[object]], database: str, *, host: str, at_ms: float) -> Event:
    """Return an element of dbmmetadata with the tables of a database."""
    schemas: dict[str, dict[str, list[Event]]] = {}
    for namespace, table, column, kind in rows:
        columns = schemas.setdefault(str(namespace), {}).setdefault(str(table), [])
        columns.append({"name": column, "data_type": kind})
    found = [
        {"name": name, "tables": [{"name": table, "columns": c} for table, c in tables.items()]}
        for name, tables in schemas.items()
    ]
    document = [{"name": database, "schemas": found}]
    return {**_metadata(host, at_ms), "kind": "pg_databases", "metadata": document}


def _row(key: Key, figures: tuple[float, ...], texts: Mapping[int, str]) -> Event:
    queryid, database, role = key
    redacted = redact.statement(texts.get(queryid, ""))
    # Not the span: the text is that of the statement's first execution ever.
    named = redact.Comment(statement=redacted.comment.statement, owner=redacted.comment.owner)
    return {
        "queryid": queryid,
        "query_signature": signature(redacted.text),
        "datname": database,
        "rolname": role,
        "query": redacted.text,
        "dd_comments": redact.render(named),
        **dict(zip(FIGURES, figures, strict=True)),
    }


def _common(host: str, at_ms: float) -> Event:
    return {
        "host": host,
        "timestamp": at_ms,
        "ddagentversion": EMBEDDED_VERSION,
        "ddsource": "postgres",
        "cloud_metadata": {},
    }


def _metadata(host: str, at_ms: float) -> Event:
    return {
        "host": host, "timestamp": at_ms, "agent_version": EMBEDDED_VERSION, "dbms": "postgres",
        "tags": TAGS, "collection_interval": 600, "cloud_metadata": {},
    }  # fmt: skip


def _iso(moment: object) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else None
