"""DBM events in the payload format of Datadog's postgres check.

Statements are redacted here already, as an Agent obfuscates them; `query_signature` is a hash of the redacted
text, because only the Agent's Go code can compute the Agent's signature.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from lab.telemetry import redact
from lab.telemetry.embedded.deltas import FIGURES, Key
from lab.telemetry.embedded.explain import is_truncated
from lab.telemetry.store.senders import Source

Event: TypeAlias = dict[str, object]
INTERVAL_S = 10
SOURCE = "postgres"
# Of events and series: an Agent has no such tag.
TAGS = ("agent:embedded",)
# The columns of the query `sessions`, in its order; all but the text are sent unchanged.
SESSION = (
    "pid", "datid", "datname", "usesysid", "usename", "application_name", "client_addr", "client_port",
    "backend_type", "backend_start", "backend_xid", "backend_xmin", "state", "state_change",
    "wait_event_type", "wait_event", "query_id", "query", "query_start", "xact_start", "now",
    "blocking_pids",
)  # fmt: skip
# The columns of the query `connections`, in its order.
CONNECTIONS = ("application_name", "state", "usename", "datname", "connections")
# Columns that a plan's event has outside of its `postgres` part.
ELSEWHERE = {
    "datname",
    "usename",
    "application_name",
    "client_addr",
    "client_port",
    "query_truncated",
}
IDLE = {"idle", "idle in transaction"}
CAN_CONNECT = "postgres.can_connect"


@dataclass(frozen=True, kw_only=True, slots=True)
class Common:
    """What all events of a moment share; `tags` beside those of the embedded agent itself."""

    host: str
    at_ms: float
    service: str
    tags: Sequence[str]

    def fields(self) -> "Event":
        """Return the fields of an event."""
        return {
            "host": self.host,
            "database_instance": self.host,
            "service": self.service,
            "timestamp": self.at_ms,
            "ddagentversion": Source.EMBEDDED.value,
            "cloud_metadata": {},
        }

    @property
    def all_tags(self) -> list[str]:
        """The tags of an event."""
        return [*TAGS, *self.tags]


def signature(text: str) -> str:
    """Return a signature of a redacted statement."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def metrics(rows: Sequence[Event], common: Common) -> Event:
    """Return an element of dbmmetrics; its rows are those of `query`."""
    return {
        **common.fields(),
        "min_collection_interval": INTERVAL_S,
        "tags": common.all_tags,
        "postgres_rows": rows,
    }


def activity(
    sessions: Sequence[Event], connections: Sequence[Event], common: Common, *, interval_s: float
) -> Event:
    """Return an element of dbmactivity, also without sessions; `interval_s` is that of activity."""
    return {
        **common.fields(),
        "ddsource": SOURCE,
        "dbm_type": "activity",
        "collection_interval": interval_s,
        "ddtags": common.all_tags,
        "postgres_activity": sessions,
        "postgres_connections": connections,
    }


def session(row: Mapping[str, object], *, size: int) -> Event:
    """Return one session by the names in SESSION, its statement redacted.

    Args:
        row: of the query `sessions`.
        size: track_activity_query_size in bytes.
    """
    text = str(row["query"] or "")
    redacted = redact.statement(text)
    found = {name: _plain(value) for name, value in row.items() if name != "query"}
    found |= {
        "statement": redacted.text,
        "query_signature": signature(redacted.text),
        "dd_comments": redact.render(redacted.comment) or None,
        "query_truncated": "truncated" if is_truncated(text, size=size) else "not_truncated",
    }
    return {name: value for name, value in found.items() if value is not None}


def plan(
    session: Event,
    row: Mapping[str, Any],
    common: Common,
    *,
    definition: str | None = None,
    error: str | None = None,
    message: str | None = None,
) -> Event:
    """Return an element of databasequery: a plan, or an error with its code.

    The sample of an idle session has the time at which its statement ended, and its duration; any other has
    the time of the sample.
    """
    cleaned = redact.plan(definition) if definition else None
    errors = [{"code": error, "message": message}] if error else None
    event = {
        **common.fields(),
        "ddsource": SOURCE,
        "dbm_type": "plan",
        "ddtags": ",".join([f"db:{session.get('datname')}", *common.all_tags]),
        "network": {
            "client": {
                "ip": session.get("client_addr"),
                "port": session.get("client_port"),
                "hostname": None,
            },
        },
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
            "metadata": {"tables": None, "commands": None, "comments": session.get("dd_comments")},
            "query_truncated": session["query_truncated"],
        },
        "postgres": {name: session[name] for name in session.keys() - ELSEWHERE},
    }
    ended = row["state_change"]
    if row["state"] in IDLE and ended is not None:
        event["timestamp"] = ended.timestamp() * 1000
        ran_for = max(ended - row["query_start"], timedelta(0))
        # In nanoseconds, unlike every other time here.
        event["duration"] = ran_for / timedelta(microseconds=1) * 1_000
    return event


def service_check(name: str, status: int, tags: Sequence[str], *, host: str, at_s: float) -> Event:
    """Return a run of a service check; `status` is 0 ok, 2 critical."""
    return {
        "check": name,
        "host_name": host,
        "timestamp": int(at_s),
        "status": status,
        "message": "",
        "tags": list(tags),
    }


def settings(rows: Sequence[Sequence[object]], common: Common) -> Event:
    """Return an element of dbmmetadata with the server's settings."""
    found = [{"name": name, "setting": setting} for name, setting in rows]
    return {**_metadata(common), "kind": "pg_settings", "metadata": found}


def schema(rows: Sequence[Sequence[object]], database: str, common: Common) -> Event:
    """Return an element of dbmmetadata with the tables of a database."""
    schemas: dict[str, dict[str, dict[str, Any]]] = {}
    for namespace, name, oid, column, kind in rows:
        tables = schemas.setdefault(str(namespace), {})
        empty: dict[str, Any] = {"id": str(oid), "name": name, "columns": []}
        columns = tables.setdefault(str(name), empty)["columns"]
        columns.append({"name": column, "data_type": kind})
    found = [{"name": name, "tables": [*tables.values()]} for name, tables in schemas.items()]
    document = [{"name": database, "schemas": found}]
    return {**_metadata(common), "kind": "pg_databases", "metadata": document}


def query(key: Key, figures: tuple[float, ...], texts: Mapping[int, str]) -> Event:
    """Return a row of dbmmetrics: a statement's deltas in an interval; its text is empty when unknown."""
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
        "dd_comments": redact.render(named) or None,
        **dict(zip(FIGURES, figures, strict=True)),
    }


def _metadata(common: Common) -> Event:
    return {
        "host": common.host, "database_instance": common.host, "timestamp": common.at_ms,
        "agent_version": Source.EMBEDDED.value, "dbms": "postgres", "tags": common.all_tags,
        "collection_interval": 600, "cloud_metadata": {},
    }  # fmt: skip


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
