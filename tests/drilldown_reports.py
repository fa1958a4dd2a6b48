"""Reports of the drilldown with known figures, for tests of what a terminal shows."""

import io
from datetime import UTC, datetime

from rich.console import Console, RenderableType

from lab.drilldown.execution import ExecutionPlan, PlanSource, ServerExecution
from lab.drilldown.plan_history import PlanPeriod, TableTouched
from lab.drilldown.plans.tree import Node, Tree
from lab.drilldown.queries import QuerySummary
from lab.drilldown.query import Query, SlowExecution
from lab.drilldown.report import ReportedStatement, TraceReport
from lab.drilldown.series import Counted, StatementSeries
from lab.drilldown.sessions import BlockingNode, Session, Sessions
from lab.telemetry.store import Source

AT = datetime(2026, 11, 22, 10, 3, 7, 123456, tzinfo=UTC)


def lines(printed: RenderableType, width: int = 200, *, styled: bool = False) -> list[str]:
    """Return what is printed, without indentation and empty lines; with styles as escape sequences."""
    screen = Console(
        file=io.StringIO(), width=width, force_terminal=styled, color_system="standard" if styled else None,
        highlight=False,
    )  # fmt: skip
    screen.print(printed)
    text: str = screen.file.getvalue()  # type: ignore[attr-defined]
    return [line.strip() for line in text.splitlines() if line.strip()]


def squeezed(printed: RenderableType, width: int = 200) -> list[str]:
    """Return the same with one blank between columns."""
    return [" ".join(line.split()) for line in lines(printed, width)]


def node(number: int, *children: Node, **fields: object) -> Node:
    known = {
        "id": number, "type": "Seq Scan", "relation": None, "index": None, "label": f"node {number}",
        "role": None, "conditions": {}, "estimated_rows": 10.0, "rows": 10.0, "loops": 1.0,
        "removed_rows": 0.0, "misestimate": None, "cost": 1234.4, "total_ms": 50.0, "self_ms": 20.0,
        "after_ms": None, "share": 0.1, "buffers": None, "after_buffers": None, "children": children,
    }  # fmt: skip
    return Node(**{**known, **fields})  # type: ignore[arg-type]


def tree(root: Node, *, executed: bool = True, worst: int = 1, **fields: object) -> Tree:
    known = {
        "executed": executed, "total_ms": 50.0, "outside": None, "jit_ms": None, "worst": worst,
        "worst_node": "node 1", "summary": "", "nodes": sum(1 for _ in root.walk()), "root": root,
    }  # fmt: skip
    return Tree(**{**known, **fields})  # type: ignore[arg-type]


def statement(**fields: object) -> ReportedStatement:
    known = {
        "span_id": "b" * 16, "queryid": "-77", "statement": "customer_history", "text": "SELECT 1\nFROM x",
        "offset_ms": 50.0, "client_ms": 25.0, "server_ms": 24.0, "error": False, "failure": None,
        "plan": ExecutionPlan(source=PlanSource.EXECUTED, worst_node="Seq Scan on x took 20 ms"),
        "executions": (), "waits": (), "blocked_by": (), "absent": {},
    }  # fmt: skip
    return ReportedStatement(**{**known, **fields})  # type: ignore[arg-type]


def report(*statements: ReportedStatement, error: bool = False) -> TraceReport:
    return TraceReport(
        trace_id="a" * 32, service="credit-risk", operation="lookup", start=AT, duration_ms=100.0,
        error=error, statements=statements, links={"console": "http://c/t", "other": "http://o"},
    )  # fmt: skip


def execution(**fields: object) -> ServerExecution:
    known = {
        "end": AT, "server_ms": 12.0, "queryid": None, "text": None, "note": None,
        "plan": ExecutionPlan(source=PlanSource.EXECUTED, worst_node="Result took 1 ms"),
    }  # fmt: skip
    return ServerExecution(**{**known, **fields})  # type: ignore[arg-type]


def summary(**fields: object) -> QuerySummary:
    known = {
        "key": "1", "queryid": "1", "statement": "pay", "owner": "credit-servicing", "text": "UPDATE x",
        "calls": 1200, "total_ms": 24_000.0, "mean_ms": 20.0, "share": 0.755, "rows": 50, "io_ms": 3.0,
        "blocks_hit": 9, "blocks_read": 1, "temp_blocks_written": 0, "hit_ratio": 0.9,
        "source": Source.AGENT,
    }  # fmt: skip
    return QuerySummary(**{**known, **fields})  # type: ignore[arg-type]


def query(**fields: object) -> Query:
    series = StatementSeries(
        step_s=10, points=(),
        prometheus=Counted(calls=100.0, mean_ms=2.0), dbm=Counted(calls=98.0, mean_ms=2.5),
        calls_difference=-2.0, calls_difference_share=-0.02, mean_difference_ms=0.5,
        dbm_source=Source.EMBEDDED.value, absent={"dbm": "a step is missing"},
    )  # fmt: skip
    period = PlanPeriod(
        shape="s", since=AT, until=AT, changed=True, executed=3, estimated=1, mean_ms=4.0, slowest_ms=5.0,
        trace_id=None, span_id=None, summary="Seq Scan on x", worst_node="Seq Scan took 3 ms",
    )  # fmt: skip
    slow = SlowExecution(
        end=AT, server_ms=400.0, queryid="1", service="credit-risk", trace_id="a" * 32, span_id=None,
        has_plan=True, has_trace=False,
    )  # fmt: skip
    known = {
        "key": "1", "queryids": ("1", "2", "3", "4", "5"), "statement": "pay", "owner": None,
        "text": "UPDATE x", "services": ("credit-servicing",), "since": AT, "until": AT,
        "totals": (summary(), summary(calls=300, total_ms=6_000.0)), "plans": (period,), "slowest": (slow,),
        "tables": (
            TableTouched(name="x", access=("Seq Scan", "Index Scan"), plans=2, blocks_hit=1, blocks_read=1,
                         hit_ratio=0.5, table_hit_ratio=None),
        ),
        "series": series, "absent": {"table_hit_ratio": "Prometheus is away.\nStart it."},
    }  # fmt: skip
    return Query(**{**known, **fields})  # type: ignore[arg-type]


def session(pid: int, **fields: object) -> Session:
    known = {
        "pid": pid, "role": "credit_app", "application": "psql", "database": "creditdb", "state": "active",
        "wait_event_type": None, "wait_event": None, "queryid": None, "service": None, "statement": None,
        "text": "SELECT\n 1", "trace_id": None, "span_id": None, "backend_type": "client backend",
        "query_age_s": 1.25, "transaction_age_s": 75.0, "state_age_s": 2.0, "blocked_by": (),
    }  # fmt: skip
    return Session(**{**known, **fields})  # type: ignore[arg-type]


def found_sessions(*sessions: Session, blocking: tuple[BlockingNode, ...] = ()) -> Sessions:
    return Sessions(at=AT, sessions=sessions, blocking=blocking, longest_transactions=())
