"""Two minutes of a Datadog Agent's payloads, made up, in the shapes that its postgres check 23.0.0 sends.

What was recorded of a real check gives the shapes only: names, ids, times and figures here are of no machine.
Only rows of query metrics have a queryid; plans, texts and sessions carry a signature and the comment.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lab.foundation import clock
from lab.foundation.timestamps import moment
from lab.telemetry.intake.protobuf import _classes
from lab.telemetry.redact import statement

HOST = "excerpt-postgres"
VERSION = "7.85.4"
QUERYID = -4_100_000_000_000_000_123
SIGNATURE, HOLDER_SIGNATURE, COMMIT_SIGNATURE = (
    "9a1f0c5e77aa0001",
    "9a1f0c5e77aa0002",
    "9a1f0c5e0003",
)
TRACE_LOW, TRACE_HIGH = 0x51A7E00000000042, "6b0a000000000000"
TRACE_ID = f"{TRACE_HIGH}{TRACE_LOW:016x}"
ROOT_SPAN, STATEMENT_SPAN = 0x1001, 0x1002
SERVICE, STATEMENT = "credit-servicing", "settle_excerpt"
WAITER, HOLDER = 901, 902
TEXT = "UPDATE installments SET paid_at = now ( ) WHERE installment_id = ?"
# The statement ran for two seconds, a minute ago, and waited for most of them.
RAN_MS = 2_000
CALLS = 40
TAGS = ["env:lab", "port:5432", f"database_instance:{HOST}", "replication_role:master"]


def comments(service: str, name: str, span: int | None) -> list[str]:
    """Return the tracer's comment and the application's, as the check reads them."""
    link = f",traceparent='00-{TRACE_ID}-{span:016x}-01'" if span else ""
    return [
        f"/*dddb='creditdb',dddbs='{service}',dde='lab',ddh='127.0.0.1',ddps='{service}',ddpv='1'{link}*/",
        f"/*service='{service}',statement='{name}'*/",
    ]


def payloads() -> Mapping[str, list[bytes]]:
    """Return the bodies to post, by path; the times are those of now."""
    began_ms = clock.now_ns() / 1e6 - 60_000
    return {
        "/api/v0.2/traces": [_traces(began_ms)],
        "/api/v2/dbmmetrics": [_metrics(began_ms + 10_000)],
        "/api/v2/databasequery": [_samples(began_ms)],
        "/api/v2/dbmactivity": [
            _activity(began_ms + 1_000, _sessions(began_ms)),
            _activity(began_ms + 11_000, []),
        ],
        "/api/v2/dbmmetadata": [_metadata(began_ms)],
        "/api/v2/dbmhealth": [_body({"host": HOST, "version": 1, "status": "ok"})],
        "/api/v1/series": [json.dumps({"series": [_series(began_ms)]}).encode()],
        "/api/v1/check_run": [_check_run(began_ms)],
    }


def _body(*events: Mapping[str, Any]) -> bytes:
    return json.dumps(events).encode()


def _common(at_ms: float) -> dict[str, Any]:
    return {
        "host": HOST, "database_instance": HOST, "ddagentversion": VERSION, "ddsource": "postgres",
        "timestamp": at_ms, "cloud_metadata": {}, "service": "credit-postgres",
    }  # fmt: skip


def _traces(began_ms: float) -> bytes:
    start = round(began_ms * 1e6)
    high, kept = {"_dd.p.tid": TRACE_HIGH}, {"_sampling_priority_v1": 1.0}
    root = _classes["Span"](
        service=SERVICE, name="credit.operation", resource="settle", traceID=TRACE_LOW, spanID=ROOT_SPAN,
        start=start, duration=RAN_MS * 1_000_000 + 5_000_000, meta=high, metrics=kept, type="worker",
    )  # fmt: skip
    sql = _classes["Span"](
        service=SERVICE, name="postgres.query", traceID=TRACE_LOW, spanID=STATEMENT_SPAN,
        parentID=ROOT_SPAN, start=start + 2_000_000, duration=RAN_MS * 1_000_000, type="sql",
        resource=f"{TEXT} /*service='{SERVICE}',statement='{STATEMENT}'*/",
        meta={"component": "psycopg", "db.system": "postgresql", "db.name": "creditdb"},
        metrics={"db.row_count": 1.0, "_dd.measured": 1.0},
    )  # fmt: skip
    chunk = _classes["TraceChunk"](
        priority=1, spans=[root.SerializeToString(), sql.SerializeToString()]
    )
    tracer = _classes["TracerPayload"](
        languageName="python", tracerVersion="4.16.0", env="lab", chunks=[chunk.SerializeToString()]
    )
    payload = _classes["AgentPayload"](
        hostName="excerpt", env="lab", agentVersion=VERSION, tracerPayloads=[tracer.SerializeToString()]
    )  # fmt: skip
    body: bytes = payload.SerializeToString()
    return body


def _metrics(at_ms: float) -> bytes:
    blocks = ("shared_blks_hit", "shared_blks_read", "shared_blks_dirtied", "shared_blks_written",
              "local_blks_hit", "temp_blks_read", "temp_blks_written")  # fmt: skip

    def row(role: str, signature: str, text: str, calls: int, ms: float) -> dict[str, Any]:
        return {
            **dict.fromkeys(blocks, 0), "datname": "creditdb", "rolname": role, "queryid": QUERYID,
            "query_signature": signature, "query": text[:200], "calls": calls, "rows": calls,
            "total_exec_time": ms, "total_plan_time": 0.0, "stddev_plan_time": 0.0, "wal_bytes": 512.0,
            "wal_records": 2, "blk_read_time": 0.0, "blk_write_time": 0.0, "dd_commands": ["UPDATE"],
            "dd_tables": ["installments"], "dd_comments": comments(SERVICE, STATEMENT, None),
        }  # fmt: skip

    rows = [
        row("credit_app", SIGNATURE, TEXT, CALLS, 80.0),
        # What the check explains counts under the same queryid, with a text of its own.
        row("datadog_explain", "9a1f0c5e77aa0009", f"EXPLAIN ( FORMAT JSON ) {TEXT}", 3, 0.9),
    ]
    more = {"min_collection_interval": 10.0, "tags": TAGS, "postgres_version": "v15.18.0"}
    return _body({**_common(at_ms), **more, "postgres_rows": rows})


def _samples(began_ms: float) -> bytes:
    definition = {
        "Plan": {
            "Node Type": "ModifyTable", "Operation": "Update", "Relation Name": "installments",
            "Startup Cost": 0.29, "Total Cost": 8.31, "Plan Rows": 0, "Plan Width": 0,
            "Plans": [{
                "Node Type": "Index Scan", "Parent Relationship": "Outer", "Index Name": "installments_pkey",
                "Relation Name": "installments", "Startup Cost": 0.29, "Total Cost": 8.31,
                "Plan Rows": 1, "Plan Width": 14, "Index Cond": "( installment_id = ? )",
            }],
        },
    }  # fmt: skip
    plan = {
        "definition": json.dumps(definition),
        "signature": "c0ffee01",
        "collection_errors": None,
    }
    none = {
        "definition": None, "signature": None,
        "collection_errors": [{"code": "no_plans_possible", "message": None}],
    }  # fmt: skip
    of_waiter = _sample(
        began_ms, SIGNATURE, TEXT, comments(SERVICE, STATEMENT, STATEMENT_SPAN), plan
    )
    # Once the session is idle again, its last statement is sampled with the same plan.
    again = {**of_waiter, "timestamp": began_ms + RAN_MS + 500}
    again["postgres"] = {**of_waiter["postgres"], "state": "idle", "wait_event": "ClientRead"}
    of_commit = _sample(began_ms, COMMIT_SIGNATURE, "COMMIT", [], none)
    text = {
        **_common(began_ms), "dbm_type": "fqt", "ddtags": ",".join([*TAGS, "rolname:credit_app"]),
        "db": {"instance": "creditdb", "query_signature": SIGNATURE, "statement": TEXT,
               "metadata": {"tables": ["installments"], "commands": ["UPDATE"],
                            "comments": comments(SERVICE, STATEMENT, None)}},
        "postgres": {"datname": "creditdb", "rolname": "credit_app"},
    }  # fmt: skip
    return _body(of_waiter, again, of_commit, text)


def _sample(
    began_ms: float, signature: str, text: str, noted: list[str], plan: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        **_common(began_ms + 1_000), "dbm_type": "plan", "ddtags": ",".join([*TAGS, "db:creditdb"]),
        "network": {"client": {"ip": "127.0.0.1", "port": 40001, "hostname": None}},
        "db": {"instance": "creditdb", "plan": plan, "query_signature": signature,
               "resource_hash": signature, "application": SERVICE, "user": "credit_app",
               "statement": text, "metadata": {"tables": None, "commands": None, "comments": noted},
               "query_truncated": "not_truncated"},
        "postgres": {"pid": WAITER, "datid": 16384, "state": "active", "backend_type": "client backend",
                     "query_signature": signature, "blocking_pids": [HOLDER], "dd_comments": noted},
        "duration": 998_000_000.0,
    }  # fmt: skip


def _sessions(began_ms: float) -> list[dict[str, Any]]:
    began = moment(round(began_ms * 1e6))

    def session(pid: int, **more: Any) -> dict[str, Any]:
        return {
            "now": (began + timedelta(seconds=1)).isoformat(), "datid": 16384, "datname": "creditdb",
            "pid": pid, "usesysid": 16395, "usename": "credit_app", "application_name": SERVICE,
            "client_addr": "127.0.0.1", "client_port": 40000 + pid, "backend_type": "client backend",
            "backend_start": (began - timedelta(minutes=5)).isoformat(),
            "xact_start": began.isoformat(), "query_start": began.isoformat(),
            "state_change": began.isoformat(), "query_truncated": "not_truncated",
            "dd_tables": ["installments"], "dd_commands": ["UPDATE"], **more,
        }  # fmt: skip

    return [
        session(
            WAITER, state="active", wait_event_type="Lock", wait_event="transactionid",
            blocking_pids=[HOLDER], query_signature=SIGNATURE, statement=TEXT,
            dd_comments=comments(SERVICE, STATEMENT, STATEMENT_SPAN),
        ),
        session(
            HOLDER, state="idle in transaction", wait_event_type="Client",
            wait_event="ClientRead", blocking_pids=[], query_signature=HOLDER_SIGNATURE,
            statement=TEXT, dd_comments=comments("credit-customers", "hold_excerpt", None),
        ),
    ]  # fmt: skip


def _activity(at_ms: float, sessions: list[dict[str, Any]]) -> bytes:
    idle = {"application_name": SERVICE, "state": "idle", "usename": "credit_app", "connections": 3}
    return _body({
        **_common(at_ms), "dbm_type": "activity", "collection_interval": 10, "ddtags": TAGS,
        "postgres_activity": sessions, "postgres_connections": [{**idle, "datname": "creditdb"}],
    })  # fmt: skip


def _metadata(at_ms: float) -> bytes:
    common = {
        "host": HOST, "database_instance": HOST, "agent_version": VERSION, "dbms": "postgres",
        "collection_interval": 600, "dbms_version": "v15.18.0", "tags": TAGS, "cloud_metadata": {},
        "timestamp": at_ms,
    }  # fmt: skip

    def schema(name: str, *tables: tuple[str, int, list[str]]) -> dict[str, Any]:
        found = [
            {"id": str(oid), "name": table, "owner": "credit_owner", "has_indexes": True,
             "indexes": [{"name": f"{table}_pkey", "table_id": oid, "is_unique": True}],
             "partition_key": None, "toast_table": None,
             "columns": [{"name": column, "data_type": "bigint", "nullable": False, "default": None,
                          "id": oid} for column in columns]}
            for table, oid, columns in tables
        ]  # fmt: skip
        schemas = [{"id": "2200", "name": name, "owner": "credit_owner", "tables": found}]
        document = [{"name": "creditdb", "id": "16384", "encoding": "UTF8", "schemas": schemas}]
        return {**common, "kind": "pg_databases", "metadata": document}

    setting = {"source": "default", "sourcefile": None, "pending_restart": False}
    settings = [{"name": "work_mem", "setting": "8192", **setting}]
    return _body(
        {**common, "kind": "database_instance", "metadata": {"dbm": True, "connection_host": "h"}},
        {**common, "kind": "pg_settings", "metadata": settings},
        # One event for each schema.
        schema("public", ("installments", 16513, ["installment_id", "contract_id"])),
        schema("shop", ("orders", 16610, ["order_id"])),
        {**common, "kind": "pg_extension", "metadata": [{"id": "13559", "name": "plpgsql"}]},
    )


def _check_run(at_ms: float) -> bytes:
    return _body(
        {
            "check": "postgres.can_connect", "host_name": HOST, "timestamp": round(at_ms / 1000),
            "status": 0, "message": "", "tags": [f"db:{HOST}"],
        }
    )  # fmt: skip


def _series(at_ms: float) -> dict[str, Any]:
    point = [round(at_ms / 1000), 1.0]
    return {
        "metric": "postgresql.running", "points": [point], "tags": TAGS, "host": HOST,
        "type": "gauge", "interval": 15,
    }  # fmt: skip


assert statement(TEXT).text == TEXT, "the text is as obfuscated as an Agent sends it"
