"""Tools on Database Monitoring: query metrics, plans, settings, schema, and the Agent's metrics."""

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from pydantic import Field

from lab.drilldown import By
from lab.drilldown.plans.reading import tree
from lab.drilldown.queries import SQL as DRILLDOWN
from lab.drilldown.queries import QuerySummary, signatures_of
from lab.exam.doors import Door
from lab.foundation.errors import LabError
from lab.foundation.timestamps import NS_PER_S
from lab.mcp.answer import Page, at, figure
from lab.mcp.inputs import Contains, Cursor, End, Limit, QueryId, Start, Statement
from lab.mcp.plan_lines import plan_lines
from lab.mcp.selection import SQL, Selection, newest, queryids_of
from lab.mcp.sources import Sources
from lab.mcp.tool import tool
from lab.mcp.window import window
from lab.stack.mode import Mode
from lab.telemetry.store import Plan, Reader, Snapshot, Source
from lab.telemetry.store.metric_values import points_of
from lab.telemetry.store.senders import label_of_all

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MAX_STEPS, STEP_S = 360, 10
TEXT = 400
MAX_STORED = 5_000
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
        page = Page.of(
            arguments,
            window=lambda: window(start, end, default=HOUR, most=DAY),
            limit=limit,
            cursor=cursor,
        )
        found = self._top(page, by, role)
        rows = [_summary(one) for one in found]
        return page.answer(rows, sent_by=label_of_all(one.source for one in found))

    def _top(self, page: Page, by: By, role: str) -> tuple[QuerySummary, ...]:
        if self._sources.mode is Mode.DOCKER:
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
        page = Page.of(
            arguments,
            window=lambda: window(start, end, default=HOUR, most=DAY),
            limit=limit,
            cursor=cursor,
        )
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
        found = reader.select(
            Plan,
            chosen.condition,
            chosen.parameters,
            order="at_ns DESC, id DESC",
            limit=page.wanted,
        )
        rows = [_plan(plan, include_plan=include_plan) for plan in found]
        return page.answer(rows, newest_data=newest(reader, Door.DATADOG))

    @tool("PostgreSQL settings", Door.DATADOG)
    def dbm_settings(
        self, *, contains: Contains = None, limit: Limit = 100, cursor: Cursor = None
    ) -> dict[str, Any]:
        """List PostgreSQL's settings (pg_settings) as Database Monitoring received them last.

        Values of settings that are secrets are ?. Units are those of pg_settings: shared_buffers in
        blocks of 8 kB, timeouts and log thresholds in ms.
        """
        page = Page.of({"contains": contains}, limit=limit, cursor=cursor)
        settings, received = settings_of(self._sources.reader())
        rows = [
            {"name": name, "setting": value}
            for name, value in sorted(settings.items())
            if (contains or "").lower() in name.lower()
        ]
        return page.answer(rows, received=received, found=len(rows))

    @tool("Schema of the database", Door.DATADOG)
    def dbm_schema(
        self, *, contains: Contains = None, limit: Limit = 20, cursor: Cursor = None
    ) -> dict[str, Any]:
        """List the tables that Database Monitoring received, with columns, types and what else was sent."""
        page = Page.of({"contains": contains}, limit=limit, cursor=cursor)
        rows = [
            table
            for table in tables_of(self._sources.reader())
            if (contains or "").lower() in str(table["name"]).lower()
        ]
        return page.answer(rows, found=len(rows))

    @tool("Metrics of the Agent's checks", Door.DATADOG)
    def agent_metrics(
        self,
        *,
        name: Annotated[
            str | None,
            Field(max_length=200, description="Name of a metric; without it the names are listed."),
        ] = None,
        tags: Annotated[
            list[str] | None,
            Field(
                max_length=10,
                description='Tags that a series must have, such as ["table:customers"].',
            ),
        ] = None,
        start: Start = "-30m",
        end: End = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """Return the series of a metric that the Agent sent, such as postgresql.dead_rows, or list the names.

        Each row has the tags, and min, max, first and last of the values in the time range, with
        `increase` for counts and rates. Types are Datadog's: count per interval, rate per second,
        gauge.
        """
        arguments = {"name": name, "tags": tags, "start": start, "end": end}
        page = Page.of(
            arguments,
            window=lambda: window(start, end, default=HOUR, most=DAY),
            limit=limit,
            cursor=cursor,
        )
        reader, chosen = self._sources.reader(), page.window
        if name is None:
            found = reader.rows(SQL["metric_names"], {"since": chosen.since_ns})
            names = [
                {"name": each, "type": kind, "series": count, "last": at(seen_ns)}
                for each, kind, count, seen_ns, _ in found
            ]
            return page.answer(names, sent_by=label_of_all(Source(row[-1]) for row in found))
        series = points_of(
            reader, name, since_ns=chosen.since_ns, until_ns=chosen.until_ns, tags=tags or ()
        )
        rows = []
        for one in series:
            values = [value for _, value in one.points]
            rows.append({
                "tags": list(one.series.tags), "type": one.series.type.value, "points": len(values),
                "first": values[0], "last": values[-1], "min": min(values), "max": max(values),
                "increase": None if one.series.type.value == "gauge" else one.increase(per_second=False),
            })  # fmt: skip
        return page.answer(rows)


def settings_of(reader: Reader) -> tuple[dict[str, Any], str | None]:
    """Return the latest settings that DBM received, and when; none before the first."""
    found = reader.select(Snapshot, "kind = 'pg_settings'", order="at_ns DESC", limit=1)
    if not found:
        return {}, None
    return msgspec.json.decode(found[0].payload), at(found[0].at_ns)


def tables_of(reader: Reader) -> Iterator[dict[str, Any]]:
    """Yield the tables that DBM received, by name; columns as `name type`."""
    found = reader.select(Snapshot, "kind LIKE 'table %'", order="kind", limit=MAX_STORED)
    tables = [msgspec.json.decode(one.payload) for one in found]
    for table in sorted(tables, key=lambda each: (str(each.get("schema")), str(each.get("name")))):
        columns = table.pop("columns", ())
        yield {
            "name": table.pop("name", "?"),
            **table,
            "columns": [f"{one.get('name')} {one.get('data_type', '')}".strip() for one in columns],
        }


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
