"""Tools on Database Monitoring: query metrics, plans, settings, schema, and the Agent's metrics."""

import math
from typing import Annotated, Any

import msgspec
from pydantic import Field

from lab.drilldown import By
from lab.drilldown.plans.reading import tree
from lab.drilldown.queries import MAX_LISTED, QuerySummary, signatures_of
from lab.drilldown.queries import SQL as DRILLDOWN
from lab.exam.doors import Door
from lab.foundation.errors import LabError
from lab.foundation.timestamps import NS_PER_S
from lab.mcp.answer import MAX_PLANS, Page, at, figure
from lab.mcp.inputs import Cursor, End, Limit, QueryId, Start, Statement
from lab.mcp.plan_lines import plan_lines
from lab.mcp.selection import Selection, newest, queryids_of
from lab.mcp.sources import Sources
from lab.mcp.tool import tool
from lab.mcp.window import DAY, HOUR, window
from lab.telemetry.store import Plan
from lab.telemetry.store.senders import label_of_all

MAX_STEPS, STEP_S = 360, 10
TEXT = 400
Role = Annotated[
    str,
    Field(
        max_length=63,
        description="Role that ran the statements: credit_app is the application; all for every role,"
        " those of the observers included.",
    ),
]


class DbmTools:
    """Tools of the observer Datadog: what its Agent, or natively the embedded agent, has sent."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    @tool("DBM query metrics", Door.DATADOG)
    def dbm_query_metrics(
        self,
        *,
        start: Start = "-15m",
        end: End = None,
        by: Annotated[By, Field(description="Sort key, largest first.")] = By.TIME,
        role: Role = "credit_app",
        limit: Limit = 15,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """Rank statements by their query metrics, as Database Monitoring received them: the top queries.

        Per normalized statement: calls, total and mean execution time in ms, its share of all time,
        rows, blocks hit and read, I/O time, temporary blocks written. Compare two time ranges to find
        what changed. Then read dbm_query_metrics_over_time, dbm_plans or lab_statement with the
        queryid.
        """
        arguments = {"start": start, "end": end, "by": by, "role": role}
        page = Page.during(arguments, limit, cursor, most=MAX_LISTED - 1)
        found = self._top(page, by, role)
        rows = [_summary(one) for one in found]
        return page.answer(rows, sent_by=label_of_all(one.source for one in found))

    def _top(self, page: Page, by: By, role: str) -> tuple[QuerySummary, ...]:
        if not self._sources.has_store:
            return self._sources.remote_or_local().queries(by)
        return self._sources.drilldown().queries(
            by,
            since=page.window.since,
            until=page.window.until,
            role=None if role == "all" else role,
            limit=page.wanted,
        )

    @tool("DBM query metrics over time", Door.DATADOG)
    def dbm_query_metrics_over_time(
        self,
        *,
        queryid: QueryId = None,
        statement: Statement = None,
        start: Start = "-30m",
        end: End = None,
        role: Role = "credit_app",
    ) -> dict[str, Any]:
        """Return calls and mean execution time of one statement in steps, from DBM's query metrics.

        Use it to find when a statement became slow or frequent. Give queryid or statement. Each row is
        one step with calls; steps without calls are left out. Times are the starts of the steps.
        """
        chosen = window(start, end, default=HOUR, most=DAY)
        reader = self._sources.reader()
        queryids = queryids_of(reader, queryid, statement)
        if queryids is None:
            raise LabError("queryid or statement is missing: dbm_query_metrics lists both.")
        step_s = STEP_S * max(math.ceil(chosen.seconds / MAX_STEPS / STEP_S), 1)
        since_ns = chosen.since_ns // (step_s * NS_PER_S) * step_s * NS_PER_S
        parameters = {
            "queryids": msgspec.json.encode(queryids).decode(),
            "since": since_ns,
            "until": chosen.until_ns,
            "step": step_s * NS_PER_S,
            "role": None if role == "all" else role,
        }
        found = reader.rows(DRILLDOWN["calls_over_time"], parameters)
        rows = [
            [
                at(since_ns + step * step_s * NS_PER_S),
                calls,
                figure(total_ms / calls) if calls else None,
            ]
            for step, calls, total_ms, _ in found
        ]
        columns = ["start", "calls", "mean_ms"]
        return {
            "queryids": [*map(str, queryids)],
            "step_s": step_s,
            "columns": columns,
            "rows": rows,
        }

    @tool("DBM plans", Door.DATADOG)
    def dbm_plans(
        self,
        *,
        queryid: QueryId = None,
        statement: Statement = None,
        start: Start = "-1h",
        end: End = None,
        include_plan: Annotated[
            bool,
            Field(description="Whether to return the nodes of each plan, as EXPLAIN prints them."),
        ] = False,
        limit: Limit = 10,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """List the plans that Database Monitoring sampled, newest first: estimated by EXPLAIN, not executed.

        `shape` is equal for plans with the same nodes, tables and indexes: another shape than before is
        a plan change. Estimated plans have costs and estimated rows, no times; log_plans has executed
        plans.
        """
        arguments = {
            "queryid": queryid, "statement": statement, "start": start, "end": end,
            "include_plan": include_plan,
        }  # fmt: skip
        page = Page.during(arguments, limit, cursor, most=MAX_PLANS)
        reader = self._sources.reader()
        chosen = Selection.during(page.window).where("NOT executed")
        if (queryids := queryids_of(reader, queryid, statement)) is not None:
            ids = msgspec.json.encode(queryids).decode()
            signatures = msgspec.json.encode(sorted(signatures_of(reader, queryids))).decode()
            chosen.where(
                "queryid IN (SELECT value FROM json_each(?)) OR queryid IS NULL"
                " AND signature IN (SELECT value FROM json_each(?))",
                ids,
                signatures,
            )
        found = chosen.rows(reader, Plan, limit=page.wanted)
        rows = [_plan(plan, include_plan=include_plan) for plan in found]
        return page.answer(rows, newest_data=newest(reader, Door.DATADOG))


def _summary(one: QuerySummary) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(one)
    text, key = document.pop("text"), document.pop("key")
    del document["source"]
    if document["queryid"] is None:
        document["signature"] = key
    document["text"] = text if len(text) <= TEXT else f"{text[:TEXT]}... ({len(text):,} characters)"
    return document


def _plan(plan: Plan, *, include_plan: bool) -> dict[str, Any]:
    read = tree(plan.definition)
    return {
        "at": at(plan.at_ns),
        "queryid": None if plan.queryid is None else str(plan.queryid),
        "signature": plan.signature if plan.queryid is None else None,
        "statement": plan.statement,
        "service": plan.service,
        "trace_id": plan.trace_id,
        "span_id": plan.span_id,
        "shape": plan.shape,
        "estimated_cost": read.root.cost,
        "estimated_rows": read.root.estimated_rows,
        "summary": read.summary,
        "most_expensive_node": read.worst_node,
        "plan": plan_lines(read) if include_plan else None,
    }
