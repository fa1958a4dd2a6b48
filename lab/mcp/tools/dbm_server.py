"""Tools on what Datadog's Agent sends of the server: settings, schema, and the metrics of its checks."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from pydantic import Field

from lab.exam.doors import Door
from lab.mcp.answer import Page, at
from lab.mcp.inputs import Contains, Cursor, End, Limit, Start
from lab.mcp.selection import SQL
from lab.mcp.sources import Sources
from lab.mcp.tool import tool
from lab.telemetry.store import Reader, Snapshot, Source
from lab.telemetry.store.metric_values import points_of
from lab.telemetry.store.senders import label_of_all

MAX_STORED = 5_000


class DbmServerTools:
    """Tools of the observer Datadog on the server as a whole."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

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
        page = Page.during(arguments, limit, cursor)
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
