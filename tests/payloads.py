"""Bodies as an Agent and ddtrace make them, for the intake's tests: shapes only, with data that shows."""

import json
from datetime import timedelta
from typing import Any

import msgspec

from lab.foundation import clock
from lab.foundation.timestamps import moment
from lab.telemetry.intake.protobuf import _classes

TRACE_LOW, TRACE_HIGH = 0xA1B2C3D4E5F60718, "67405d1f00000000"
TRACE_ID = f"{TRACE_HIGH}{TRACE_LOW:016x}"
# Now, in milliseconds as Agents send it: the store deletes what is old.
START = clock.now_ns() // 1_000_000 * 1_000_000
AT_MS = START / 1e6
QUERY_STARTED = moment(START) - timedelta(milliseconds=123)
CPF, NAME, EMAIL = "39053344705", "Marilda Sigilosa", "marilda@sigilo.example"
SECRETS = (CPF, NAME, EMAIL)
SQL = f"SELECT * FROM customers WHERE cpf = '{CPF}' AND full_name = '{NAME}'"
COMMENTS = [
    f"/*ddps='credit-customers',dde='lab',traceparent='00-{TRACE_ID}-000000000000002a-01'*/",
    "/*service='credit-customers',statement='find_customer'*/",
]
META = {
    "_dd.p.tid": TRACE_HIGH,
    "component": "psycopg",
    "customer.email": EMAIL,
    "error.message": f'duplicate key "x"\nDETAIL: ({CPF})',
    "error.stack": f"Traceback {NAME}",
    "error.type": "psycopg2.errors.UniqueViolation",
}
METRICS = {"_sampling_priority_v1": 1.0, "cpf": float(CPF)}


def v05(spans: int = 2) -> bytes:
    """Return a v0.5 payload of one trace; the first span has number 42 and is the root."""
    strings = ["", "credit-customers", "postgres.query", SQL, "sql"]

    def index(text: str) -> int:
        if text not in strings:
            strings.append(text)
        return strings.index(text)

    meta = {index(k): index(v) for k, v in META.items()}
    metrics = {index(k): v for k, v in METRICS.items()}
    rows = [
        (
            1,
            2,
            3,
            TRACE_LOW,
            42 + i,
            42 if i else 0,
            START + i,
            1000,
            i,
            {} if i else meta,
            metrics,
            4,
        )
        for i in range(spans)
    ]
    return msgspec.msgpack.encode([strings, [rows]])


def v04(spans: int = 2) -> bytes:
    """Return the same as v0.4."""
    rows: list[dict[str, Any]] = [
        {
            "service": "credit-customers",
            "name": "postgres.query",
            "resource": SQL,
            "trace_id": TRACE_LOW,
            "span_id": 42 + i,
            "parent_id": 42 if i else 0,
            "start": START + i,
            "duration": 1000,
            "error": i,
            "meta": {} if i else META,
            "metrics": METRICS,
            "type": "sql",
            "meta_struct": {"x": b"\x00"},
        }
        for i in range(spans)
    ]
    return msgspec.msgpack.encode([rows])


def idx_traces(spans: int = 2) -> bytes:
    """Return the same as an AgentPayload in the idx form, as the Agent's published .proto describes it."""
    strings = [""]

    def ref(text: str) -> int:
        if text not in strings:
            strings.append(text)
        return strings.index(text)

    def value(**of: Any) -> bytes:
        encoded: bytes = _classes["IdxValue"](**of).SerializeToString()
        return encoded

    chunk = _classes["IdxTraceChunk"](priority=1, traceID=bytes.fromhex(TRACE_ID))
    for i in range(spans):
        meta = {k: v for k, v in META.items() if k not in ("_dd.p.tid", "component")}
        attributes = {ref(k): value(text=ref(v)) for k, v in ({} if i else meta).items()}
        attributes[ref("cpf")] = value(number=float(CPF))
        attributes[ref("db.row_count")] = value(integer=0)
        attributes[ref("http.route")] = value(flag=True)
        attributes[ref("ignored")] = value(bytes=b"\x00")
        span = _classes["IdxSpan"](
            serviceRef=ref("credit-customers"),
            nameRef=ref("postgres.query"),
            resourceRef=ref(SQL),
            spanID=42 + i,
            parentID=42 if i else 0,
            start=START + i,
            duration=1000,
            error=bool(i),
            attributes=attributes,
            typeRef=ref("sql"),
            componentRef=ref("psycopg"),
            kind=3,
        )
        chunk.spans.append(span.SerializeToString())
    tracer = _classes["IdxTracerPayload"](
        languageName=ref("python"),
        env=ref("lab"),
        appVersion=ref("0.1.0"),
        chunks=[chunk.SerializeToString()],
    )
    tracer.strings.extend(strings)
    payload = _classes["AgentPayload"](idxTracerPayloads=[tracer.SerializeToString()])
    body: bytes = payload.SerializeToString()
    return body


def agent_traces(spans: int = 2) -> bytes:
    """Return the same as an AgentPayload."""
    chunk = _classes["TraceChunk"](priority=1)
    for i in range(spans):
        span = _classes["Span"](
            service="credit-customers",
            name="postgres.query",
            resource=SQL,
            traceID=TRACE_LOW,
            spanID=42 + i,
            parentID=42 if i else 0,
            start=START + i,
            duration=1000,
            error=i,
            meta={} if i else META,
            metrics=METRICS,
            type="sql",
        )
        chunk.spans.append(span.SerializeToString())
    tracer = _classes["TracerPayload"](
        languageName="python", env="lab", appVersion="0.1.0", chunks=[chunk.SerializeToString()]
    )
    payload = _classes["AgentPayload"](hostName="h", tracerPayloads=[tracer.SerializeToString()])
    body: bytes = payload.SerializeToString()
    return body


def series() -> bytes:
    """Return a MetricPayload of two series."""
    one = _classes["MetricSeries"](metric="postgresql.rows", tags=["a:b"]).SerializeToString()
    body: bytes = _classes["MetricPayload"](series=[one, one]).SerializeToString()
    return body


def samples() -> bytes:
    """Return a databasequery payload: one plan, one full text."""
    definition = {"Plan": {"Node Type": "Index Scan", "Index Cond": f"(cpf = '{CPF}'::bpchar)"}}
    common = {"host": "h", "ddagentversion": "7.70.0", "ddsource": "postgres", "ddtags": "a:b",
              "timestamp": AT_MS}  # fmt: skip
    db: dict[str, Any] = {
        "instance": "creditdb",
        "query_signature": "1f2e3d",
        "statement": SQL,
        "metadata": {"tables": ["customers"], "commands": ["SELECT"], "comments": COMMENTS},
    }
    plan = {
        **common,
        "dbm_type": "plan",
        "network": {"client": {"ip": "127.0.0.1", "port": 1, "hostname": None}},
        "db": {
            **db,
            "user": "credit_app",
            "application": "a",
            "resource_hash": "1f2e3d",
            "query_truncated": "not_truncated",
            "plan": {
                "definition": json.dumps(definition),
                "signature": "ab",
                "collection_errors": None,
            },
        },
        "postgres": {"pid": 4711, "state": "active", "backend_type": "client backend"},
        "duration": 5e6,
    }
    text = {
        **common,
        "dbm_type": "fqt",
        "db": db,
        "postgres": {"datname": "creditdb", "rolname": "credit_app"},
    }
    return json.dumps([plan, text]).encode()


def metrics(*, queryid: int | None = None, version: str = "7.70.0") -> bytes:
    """Return a dbmmetrics payload of one statement."""
    row = {
        "query_signature": "1f2e3d",
        "datname": "creditdb",
        "rolname": "credit_app",
        "query": SQL[:200],
        "calls": 3,
        "rows": 4,
        "total_exec_time": 1.5,
        "shared_blks_hit": 7,
        "wal_bytes": 8.0,
        "dd_comments": COMMENTS,
        "dd_tables": ["customers"],
    }
    if queryid is not None:
        row["queryid"] = queryid
    event = {
        "host": "h", "timestamp": AT_MS, "min_collection_interval": 10, "tags": ["a:b"],
        "cloud_metadata": {}, "postgres_rows": [row], "postgres_version": "v15.18",
        "ddagentversion": version,
    }  # fmt: skip
    return json.dumps([event]).encode()


def activity(*, later_ms: float = 0) -> bytes:
    """Return a dbmactivity payload: one session that waits for another, sampled so much later."""
    row = {
        "datname": "creditdb", "pid": 4711, "usename": "credit_app", "application_name": EMAIL,
        "query_start": QUERY_STARTED.isoformat(timespec="microseconds"), "state": "active",
        "wait_event_type": "Lock", "wait_event": "transactionid", "backend_type": "client backend",
        "blocking_pids": [4712], "query_signature": "1f2e3d", "statement": SQL,
        "dd_comments": COMMENTS, "now": moment(START).isoformat(timespec="milliseconds"),
        "query_truncated": "not_truncated",
    }  # fmt: skip
    event = {
        "host": "h", "ddagentversion": "7.70.0", "ddsource": "postgres", "dbm_type": "activity",
        "collection_interval": 10, "ddtags": ["a:b"], "timestamp": AT_MS + later_ms, "cloud_metadata": {},
        "postgres_activity": [row], "postgres_connections": [{"state": "active", "connections": 1}],
    }  # fmt: skip
    return json.dumps([event]).encode()


def metadata() -> bytes:
    """Return a dbmmetadata payload: settings and one table."""
    column = {"name": "state", "data_type": "text", "default": f"'{NAME}'::text"}
    common = {"host": "h", "dbms": "postgres", "timestamp": AT_MS, "tags": []}
    settings = [
        {"name": "work_mem", "setting": "8192"},
        {"name": "ssl_passphrase_command", "setting": "s3cret"},
    ]
    schema = {
        "name": "public",
        "tables": [{"id": "16545", "name": "customers", "columns": [column]}],
    }
    return json.dumps([
        {**common, "kind": "pg_settings", "metadata": settings},
        {**common, "kind": "pg_databases", "metadata": [{"name": "creditdb", "schemas": [schema]}]},
    ]).encode()  # fmt: skip
