"""Bodies with a value in each field that a sender can fill, DBM events and spans, for the property tests."""

import json
from collections.abc import Callable
from itertools import count
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec

from lab.foundation import clock
from lab.telemetry.intake.protobuf import _classes

Request: TypeAlias = tuple[str, bytes]
Make: TypeAlias = Callable[[str], Request]
COMMON = {"host": "h", "ddagentversion": "7.70.0", "ddsource": "postgres"}
_numbers = count(1)


def _now_ms() -> float:
    return clock.now_ns() / 1e6


def _events(path: str, event: dict[str, Any]) -> Request:
    return f"/api/v2/{path}", json.dumps([{**COMMON, "timestamp": _now_ms(), **event}]).encode()


def _metrics(field: str) -> Make:
    def make(value: str) -> Request:
        row = {"query_signature": f"{next(_numbers):016x}a", "datname": "d", "rolname": "r",
               "query": "SELECT 1", "calls": 1}  # fmt: skip
        return _events(
            "dbmmetrics", {"postgres_rows": [{**row, "queryid": next(_numbers), field: value}]}
        )

    return make


def _activity(field: str) -> Make:
    def make(value: str) -> Request:
        row = {
            "pid": next(_numbers),
            "datname": "d",
            "usename": "r",
            "state": "active",
            "statement": "SELECT 1",
        }
        event = {
            "dbm_type": "activity",
            "postgres_activity": [{**row, "query_signature": "ab", field: value}],
        }
        return _events("dbmactivity", event)

    return make


def _sample(**db: Callable[[str], object]) -> Make:
    def make(value: str) -> Request:
        base = {"instance": "d", "query_signature": f"{next(_numbers):x}b", "statement": "SELECT 1",
                "plan": {"definition": '{"Plan": {"Node Type": "Result"}}'}}  # fmt: skip
        filled = {key: of(value) for key, of in db.items()}
        return _events("databasequery", {"dbm_type": "plan", "db": {**base, **filled}})

    return make


def _plan(node: Callable[[str], dict[str, object]]) -> Make:
    def definition(value: str) -> object:
        return {
            "definition": json.dumps({"Plan": {"Node Type": "Seq Scan", **node(value)}}),
            "signature": "ab",
        }

    return _sample(plan=definition)


def _metadata(kind: str, of: Callable[[str], object], host: str = "h") -> Make:
    return lambda value: _events("dbmmetadata", {"kind": kind, "metadata": of(value), "host": host})


def _table(database: str = "d", schema: str = "s", **table: object) -> list[object]:
    one = {"id": str(next(_numbers)), "name": "t", "columns": [], **table}
    return [{"name": database, "schemas": [{"name": schema, "tables": [one]}]}]


def span(**fields: Any) -> dict[str, Any]:
    """Return a span of v0.4 of its own trace."""
    number = next(_numbers)
    return {
        "trace_id": number, "span_id": number, "parent_id": 0, "start": clock.now_ns(), "duration": 1000,
        "service": "s", "name": "n", "resource": "r", "type": "web", "error": 1, "meta": {},
        "metrics": {}, **fields,
    }  # fmt: skip


def _v04(of: Callable[[str], dict[str, Any]]) -> Make:
    return lambda value: ("/v0.4/traces", msgspec.msgpack.encode([[span(**of(value))]]))


def _v05(of: Callable[[str], dict[str, Any]]) -> Make:
    def make(value: str) -> Request:
        one, strings = span(**of(value)), [""]

        def index(text: str) -> int:
            if text not in strings:
                strings.append(text)
            return strings.index(text)

        row = (
            *(index(one[k]) for k in ("service", "name", "resource")),
            *(one[k] for k in ("trace_id", "span_id", "parent_id", "start", "duration", "error")),
            {index(k): index(v) for k, v in one["meta"].items()},
            {index(k): v for k, v in one["metrics"].items()},
            index(one["type"]),
        )
        return "/v0.5/traces", msgspec.msgpack.encode([strings, [[row]]])

    return make


def _agent(of: Callable[[str], dict[str, Any]], **tracer: Callable[[str], str]) -> Make:
    def make(value: str) -> Request:
        one = span(**of(value))
        encoded = _classes["Span"](
            service=one["service"], name=one["name"], resource=one["resource"], traceID=one["trace_id"],
            spanID=one["span_id"], start=one["start"], duration=1, error=1, meta=one["meta"],
            metrics=one["metrics"], type=one["type"],
        ).SerializeToString()  # fmt: skip
        chunk = _classes["TraceChunk"](spans=[encoded]).SerializeToString()
        stated = {key: of_value(value) for key, of_value in tracer.items()}
        payload = _classes["TracerPayload"](chunks=[chunk], **stated).SerializeToString()
        return "/api/v0.2/traces", _classes["AgentPayload"](
            tracerPayloads=[payload]
        ).SerializeToString()

    return make


def _same(value: str) -> str:
    return value


def _meta(key: str) -> Callable[[str], dict[str, Any]]:
    return lambda value: {"meta": {key: value}}


def _error(kind: str, text: str) -> Callable[[str], dict[str, Any]]:
    return lambda value: {"meta": {"error.type": kind, "error.message": text.replace("{}", value)}}


RAISED = "\nCONTEXT:  PL/pgSQL function f() line 1 at RAISE"
UNIQUE = 'duplicate key value violates unique constraint "{}"'
# Every place that a sender fills, by the way it comes in.
FIELDS: MappingProxyType[str, Make] = MappingProxyType({
    **{f"metrics: {f}": _metrics(f) for f in ("datname", "rolname", "query", "query_signature")},
    "metrics: comments": lambda v: _metrics("dd_comments")([f"/*service='{v}',statement='{v}'*/"]),  # type: ignore[arg-type]
    **{
        f"activity: {f}": _activity(f)
        for f in ("datname", "usename", "application_name", "backend_type", "state", "wait_event_type",
                  "wait_event", "query_signature", "statement")
    },
    "activity: comments": lambda v: _activity("dd_comments")([f"/*ddps='{v}',dde='{v}'*/"]),  # type: ignore[arg-type]
    "sample: instance": _sample(instance=_same),
    "sample: statement": _sample(statement=_same),
    "sample: unterminated": _sample(statement=lambda v: f"SELECT '{v}"),
    "sample: comments": _sample(metadata=lambda v: {"comments": [f"/*ddps='{v}',ddpv='{v}'*/"]}),
    "sample: user": _sample(user=_same),
    **{
        f"plan: {key}": _plan(lambda v, key=key: {key: v})  # type: ignore[misc]
        for key in ("Node Type", "Alias", "CTE Name", "Index Name", "Relation Name", "Schema",
                    "Function Name",
                    "Trigger Name", "Subplan Name", "Filter", "Output", "A Key Of Tomorrow")
    },
    "plan: of a common table": _plan(lambda v: {"Subplan Name": f"CTE {v}"}),
    "plan: a key": _plan(lambda v: {v: 1}),
    "plan: a condition": _plan(lambda v: {"Index Cond": f"(cpf = '{v}'::bpchar)"}),
    "plan: group keys": _plan(lambda v: {"Group Key": [v, f'"{v}"']}),
    "table: database": _metadata("pg_databases", lambda v: _table(database=v)),
    "table: schema": _metadata("pg_databases", lambda v: _table(schema=v)),
    "table: name": _metadata("pg_databases", lambda v: _table(name=v)),
    "table: owner": _metadata("pg_databases", lambda v: _table(owner=v)),
    "table: column": _metadata("pg_databases", lambda v: _table(columns=[{"name": v, "data_type": "text"}])),
    "table: default": _metadata(
        "pg_databases", lambda v: _table(columns=[{"name": "a", "default": f"'{v}'::text"}])
    ),
    "table: a key": _metadata("pg_databases", lambda v: _table(columns=[{v: 1}])),
    "setting": _metadata("pg_settings", lambda v: [{"name": "cluster_name", "setting": v}], "h1"),
    "setting: name": _metadata("pg_settings", lambda v: [{"name": v, "setting": "1"}], "h2"),
    "host": lambda v: _events("dbmmetadata", {"kind": "pg_settings", "host": v, "metadata": []}),
    **{
        f"{way}: {field}": form(lambda v, field=field: {field: v})  # type: ignore[misc]
        for way, form in (("v0.4", _v04), ("v0.5", _v05), ("agent", _agent))
        for field in ("service", "name", "resource", "type")
    },
    "span: statement": _v04(
        lambda v: {"type": "sql", "resource": f"SELECT 1 FROM t WHERE a = '{v}' AND b = {v}"}
    ),
    "span: no statement": _v05(lambda v: {"type": "sql", "resource": v}),
    "span: route": _v04(lambda v: {"resource": f"GET /clientes/{v}?q={v}"}),
    "span: route in parts": _v04(
        lambda v: {"resource": "GET /c/" + "/".join(v[i : i + 3] for i in range(0, len(v), 3))}
    ),
    "span: command": _v05(lambda v: {"type": "redis", "resource": f"SET cliente {v}"}),
    **{
        f"tag: {key}": _v04(_meta(key))
        for key in ("http.route", "http.method", "http.status_code", "db.user", "db.name", "db.instance",
                    "db.application", "out.host", "server.address", "network.destination.name", "component",
                    "env",
                    "version", "language", "runtime-id", "_dd.p.tid", "_dd.p.dm", "error.type",
                    "credit.product",
                    "credit.outcome", "credit.customer", "customer.name", "sql.query")
    },
    "tag: its key": _v04(lambda v: {"meta": {f"credit.{v}": "x", v: "y"}}),
    "number": _v04(lambda v: {"metrics": {k: float(v) for k in ("credit.score", "db.row_count", "credit.x")}
                              if v.isascii() and v.isdecimal() else {}}),
    "error: native": _v04(_error("psycopg2.errors.UniqueViolation", UNIQUE)),
    "error: native in psycopg": _v04(_error("psycopg.errors.UndefinedColumn", 'column "{}" does not exist')),
    "error: its own": _v04(_error("psycopg2.errors.UniqueViolation", "{}")),
    "error: raised": _v04(_error("psycopg2.errors.UniqueViolation", UNIQUE + RAISED)),
    "error: another": _v05(_error("builtins.ValueError", "no such customer: {}")),
    "error: its type": _v04(lambda v: {"meta": {"error.type": f"psycopg2.errors.{v}", "error.message": v}}),
    "agent: env": _agent(lambda _: {}, env=_same),
    "agent: version": _agent(lambda _: {}, appVersion=_same),
    "agent: language": _agent(lambda _: {}, languageName=_same),
    "agent: tag": _agent(_meta("http.route")),
})  # fmt: skip
