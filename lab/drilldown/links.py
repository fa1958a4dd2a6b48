"""Links to traces, statements, tables, services and sessions in the console, Prometheus, Grafana, Datadog.

Links are for a browser on the reader's machine, so that they have published ports, also inside a container.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from urllib.parse import quote, urlencode

from lab.datadog.account import web_url
from lab.foundation.addresses import reachable
from lab.foundation.settings import LabSettings

# uid of the data source in grafana/provisioning/datasources.
TRACES_SOURCE = "credit-lab-traces"
ALL = "$__all"


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    """Base URLs; None for a component that has no pages.

    Each method returns URLs by component: `console`, `prometheus`, `grafana`, `datadog`.
    """

    console: str
    prometheus: str | None = None
    grafana: str | None = None
    datadog: str | None = None

    @classmethod
    def of(cls, settings: LabSettings) -> Self:
        """Return the links of a lab with these settings; Datadog's only when a key is set."""
        host = reachable(settings.bind_address)
        site = settings.lab_datadog_site
        return cls(
            console=f"http://{host}:{settings.console_port}",
            prometheus=settings.prometheus_ui_url,
            grafana=settings.grafana_url,
            datadog=web_url(site) if site else None,
        )

    @property
    def prometheus_pages(self) -> str:
        """Return the page for expressions: Prometheus' own, else the console's."""
        return self.prometheus or f"{self.console}/prometheus"

    def expression(self, expression: str, window: tuple[datetime, datetime] | None = None) -> str:
        """Return the link to the graph of a PromQL expression, over the last hour or over a window."""
        if self.prometheus:
            ranged: dict[str, object] = {"g0.range_input": "1h"}
            if window:
                since, until = window
                length = max(1, round((until - since).total_seconds()))
                ranged = {
                    "g0.range_input": f"{length}s",
                    "g0.end_input": f"{until:%Y-%m-%d %H:%M:%S}",
                }
            return f"{self.prometheus}/graph?{urlencode({'g0.expr': expression, 'g0.tab': 0, **ranged})}"
        ranged = window_parameters(*window) if window else {"window": "1h"}
        return f"{self.prometheus_pages}?{urlencode({'expr': expression, **ranged})}"

    def trace(
        self, trace_id: str, *, start: datetime | None = None, span_id: str | None = None
    ) -> dict[str, str]:
        """Return links to a trace, or to one span in it."""
        found = {"console": f"{self.console}{trace_path(trace_id, span_id)}"}
        if self.grafana:
            query = {"refId": "A", "query": trace_id}
            pane = {"datasource": TRACES_SOURCE, "queries": [query]}
            panes = json.dumps({"a": pane}, separators=(",", ":"))
            found["grafana"] = f"{self.grafana}/explore?schemaVersion=1&panes={quote(panes)}"
        if self.datadog:
            # Datadog has span ids in decimal, and searches for a trace around a time.
            hints: dict[str, int] = {"spanID": int(span_id, 16)} if span_id else {}
            if start:
                hints["timeHint"] = round(start.timestamp() * 1000)
            query_text = f"?{urlencode(hints)}" if hints else ""
            found["datadog"] = f"{self.datadog}/apm/trace/{trace_id}{query_text}"
        return found

    def query(self, queryid: str | None, statement: str | None = None) -> dict[str, str]:
        """Return links to a statement: by queryid, by name, or by both."""
        found = {"console": f"{self.console}{query_path(queryid or statement or '')}"}
        if queryid:
            # The mean seconds of one execution.
            found["prometheus"] = self.expression(
                f'statement:pg_stat_statements_seconds_per_call:ratio_rate5m{{queryid="{queryid}"}}'
            )
        if self.grafana and statement:
            variables = {"statement": statement, "queryid": queryid or ALL}
            found["grafana"] = self._dashboard("query", variables)
        if self.datadog:
            found["datadog"] = f"{self.datadog}/databases/queries"
            if statement:
                search = urlencode({"query": f"statement:{statement}"})
                found["datadog"] = f"{self.datadog}/databases/samples?{search}"
        return found

    def table(self, name: str) -> dict[str, str]:
        """Return links to a table."""
        expression = f'table:pg_heap_cache_hit:ratio_rate5m{{table="{name}"}}'
        found = {"prometheus": self.expression(expression)}
        if self.grafana:
            found["grafana"] = self._dashboard("tables", {"table": name})
        return found

    def service(self, name: str) -> dict[str, str]:
        """Return links to a service."""
        expression = f'service:credit_operations:rate1m{{service="{name}"}}'
        found = {"prometheus": self.expression(expression)}
        if self.grafana:
            found["grafana"] = self._dashboard("overview", {"service": name})
        if self.datadog:
            found["datadog"] = f"{self.datadog}/apm/services/{quote(name)}"
        return found

    def sessions(self) -> dict[str, str]:
        """Return links to the current sessions."""
        found = {
            "console": f"{self.console}/sessions",
            "prometheus": self.expression("wait_event:pg_active_sessions:sum"),
        }
        if self.grafana:
            found["grafana"] = self._dashboard("sessions", {})
        if self.datadog:
            found["datadog"] = f"{self.datadog}/databases/list"
        return found

    def _dashboard(self, name: str, variables: Mapping[str, str]) -> str:
        query = urlencode({f"var-{key}": value for key, value in variables.items()})
        return f"{self.grafana}/d/credit-lab-{name}{f'?{query}' if query else ''}"


def window_parameters(since: datetime, until: datetime) -> dict[str, object]:
    """Return the query parameters of the console's pages for a time range, in seconds since 1970."""
    return {"from": round(since.timestamp()), "to": round(until.timestamp())}


def trace_path(trace_id: str, span_id: str | None = None) -> str:
    """Return a trace's path in the console, or that of one span's execution."""
    return f"/traces/{trace_id}" + (f"/{span_id}" if span_id else "")


def query_path(key: str) -> str:
    """Return a statement's path in the console, by queryid or by name."""
    return f"/queries/{quote(key, safe='')}"
