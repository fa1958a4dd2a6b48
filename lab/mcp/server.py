"""Builds the MCP server: tools, resources and prompts, each behind the doors of its data."""

from collections.abc import Awaitable, Callable, Iterator, Sequence

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.server.mcpserver.prompts import Prompt

from lab.exam.doors import Door
from lab.foundation.errors import LabError
from lab.mcp.doors import Access
from lab.mcp.prompts import PROMPTS
from lab.mcp.resources import Document, NoRunbookError, documents, runbook
from lab.mcp.sources import Sources
from lab.mcp.tool import MARK, Calls, LabTool, Reply
from lab.mcp.tools.activity import ActivityTools
from lab.mcp.tools.apm import ApmTools
from lab.mcp.tools.dbm import DbmTools
from lab.mcp.tools.dbm_server import DbmServerTools
from lab.mcp.tools.exam import ExamTools
from lab.mcp.tools.lab import LabTools
from lab.mcp.tools.log import LogTools
from lab.mcp.tools.prometheus import PrometheusTools
from lab.mcp.tools.truth import TruthTools
from workload import __version__

NAME = "credit-lab"
RUNBOOK = "creditlab://runbooks/{alert}"
GROUPS: tuple[Callable[[Sources], object], ...] = (
    LabTools, PrometheusTools, DbmTools, DbmServerTools, ActivityTools, ApmTools, LogTools, TruthTools,
    ExamTools,
)  # fmt: skip
INSTRUCTIONS = """\
Read-only access to Credit Lab: PostgreSQL 15 under a credit workload of five services, observed by
Prometheus (postgres_exporter, the services' metrics) and by Datadog (Database Monitoring, APM) at once.

Tools by observer: promql_* and prometheus_* (Prometheus); dbm_* and agent_metrics (Datadog); apm_*
(traces); log_* (PostgreSQL's log); lab_* (all joined: start with lab_trace or lab_statement); truth_*
(injected faults); exam_* (the answer form of an exam). A closed observer answers "closed": use the
others.

Join keys: traceparent (trace_id, span_id) leads from a span to the log line, the plan and the activity
samples of exactly that execution; queryid (a string) leads from there to query metrics and to the label
queryid of pg_stat_statements_* in PromQL. Times are RFC 3339 in UTC; units are in the names (_ms, _s,
_bytes). Empty fields are left out; `absent` and `note` have the reason. Long results have next_cursor.
No data is not "ok": report it as unknown."""


def build(sources: Sources, opened: Sequence[Door] = tuple(Door)) -> MCPServer:
    """Return the server, ready for a transport.

    Args:
        sources: of the tools.
        opened: the doors of `--with`.
    """
    calls = Calls(Access(opened=tuple(opened), settings=sources.settings))
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
        )(_reading(document, calls))
    server.resource(
        RUNBOOK,
        name="runbook",
        title="Runbook of one alert",
        description="Meaning of an alert, where to look, what to do; by the alert's name.",
        mime_type="text/markdown",
    )(_runbook)
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


def _runbook(alert: str) -> str:
    try:
        return runbook(alert)
    except NoRunbookError as error:
        raise ResourceNotFoundError(str(error)) from None


def _reading(document: Document, calls: Calls) -> Callable[[], Awaitable[str]]:
    def reply() -> Reply:
        text = document.read()
        return Reply(text=text, data=text)

    async def read() -> str:
        uri = document.uri
        try:
            return await calls.run(lambda: calls.guarded(document.needs, uri, uri, reply))
        except LabError as error:
            raise ResourceError(f"{uri}: {error}") from error

    return read
