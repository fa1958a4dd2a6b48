"""Builds the MCP server: tools, resources and prompts, each behind the door of its observer."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.server.mcpserver.prompts import Prompt

from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.mcp.doors import Doors, Observer
from lab.mcp.prompts import PROMPTS
from lab.mcp.resources import Document, NoRunbookError, documents, runbook
from lab.mcp.sources import Sources
from lab.mcp.tool import MARK, Calls, LabTool
from lab.mcp.tools.activity import ActivityTools
from lab.mcp.tools.apm import ApmTools
from lab.mcp.tools.dbm import DbmTools
from lab.mcp.tools.lab import LabTools
from lab.mcp.tools.log import LogTools
from lab.mcp.tools.prometheus import PrometheusTools
from lab.mcp.tools.truth import TruthTools
from workload import __version__

NAME = "credit-lab"
GROUPS: tuple[Callable[[Sources], object], ...] = (
    LabTools, PrometheusTools, DbmTools, ActivityTools, ApmTools, LogTools, TruthTools,
)  # fmt: skip
INSTRUCTIONS = """\
Read-only access to Credit Lab: PostgreSQL 15 under a credit workload of five services, observed by
Prometheus (postgres_exporter, the services' metrics) and by Datadog (Database Monitoring, APM) at once.

Tools by observer: promql_* and prometheus_* (Prometheus); dbm_* and agent_metrics (Datadog); apm_*
(traces); log_* (PostgreSQL's log); lab_* (all joined: start with lab_trace or lab_statement); truth_*
(injected faults). A closed observer answers "closed": use the others.

Join keys: traceparent (trace_id, span_id) leads from a span to the log line, the plan and the activity
samples of exactly that execution; queryid (a string) leads from there to query metrics and to the label
queryid of pg_stat_statements_* in PromQL. Times are RFC 3339 in UTC; units are in the names (_ms, _s,
_bytes). Empty fields are left out; `absent` and `note` have the reason. Long results have next_cursor.
No data is not "ok": say that it is unknown."""


def build(sources: Sources, doors: Doors) -> MCPServer:
    """Return the server, ready for a transport."""
    calls = Calls(doors)
    server: MCPServer = MCPServer(
        NAME,
        title="Credit Lab",
        instructions=INSTRUCTIONS,
        version=__version__,
        tools=list(tools(sources, calls)),
        log_level="WARNING",
        subscriptions=False,
    )
    for document in documents(sources):
        server.resource(
            document.uri,
            name=document.uri.partition("://")[2],
            title=document.title,
            description=document.description,
            mime_type=document.mime_type,
        )(_reading(document, doors))
    _add_runbooks(server, doors)
    for prompt in PROMPTS:
        server.add_prompt(Prompt.from_function(prompt))
    return server


def tools(sources: Sources, calls: Calls) -> Iterator[LabTool]:
    """Yield every tool, in the order of the groups."""
    for group in GROUPS:
        found = group(sources)
        for name, function in vars(type(found)).items():
            if hasattr(function, MARK):
                yield LabTool.of(getattr(found, name), calls)


def _add_runbooks(server: MCPServer, doors: Doors) -> None:
    def read(alert: str) -> str:
        with_door = _recorded(doors, Observer.DOCUMENTS, f"creditlab://runbooks/{alert}")
        try:
            return with_door(lambda: runbook(alert))
        except NoRunbookError as error:
            raise ResourceNotFoundError(str(error)) from None

    server.resource(
        "creditlab://runbooks/{alert}",
        name="runbook",
        title="Runbook of one alert",
        description="Meaning of an alert, where to look, what to do; by the alert's name.",
        mime_type="text/markdown",
    )(read)


def _reading(document: Document, doors: Doors) -> Callable[[], str]:
    def read() -> str:
        return _recorded(doors, document.observer, document.uri)(document.read)

    return read


def _recorded(doors: Doors, observer: Observer, uri: str) -> Callable[[Callable[[], str]], str]:
    """Return a function that reads a resource, if its observer is open, and records the request."""

    def run(read: Callable[[], str]) -> str:
        at_ns, started, text, failed = clock.now_ns(), time.monotonic(), "", True
        try:
            if reason := doors.closed(observer.value):
                text = f"{uri} ({observer}) is {reason}"
                raise ResourceError(text)
            try:
                text = read()
            except LabError as error:
                text = str(error)
                raise ResourceError(text) from error
            failed = False
        finally:
            record: dict[str, Any] = {"observer": observer.value, "tool": uri, "arguments": {}}
            duration_ms = (time.monotonic() - started) * 1000
            doors.record(
                **record, answer=text, is_error=failed, at_ns=at_ns, duration_ms=duration_ms
            )
        return text

    return run
