"""Calls of the MCP server with the SDK's own client: in this process, as a subprocess, over HTTP."""

import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult, TextContent, Tool

from lab.foundation.settings import ROOT

TRACE_ID = "0" * 31 + "1"
# The arguments that a tool cannot do without.
NEEDED: Mapping[str, Mapping[str, object]] = {
    "promql_query": {"query": "up"},
    "promql_range": {"query": "up"},
    "promql_series": {"selector": "up"},
    "dbm_query_metrics_over_time": {"statement": "customer_history"},
    "apm_trace": {"trace_id": TRACE_ID},
    "lab_execution": {"trace_id": TRACE_ID, "span_id": "0" * 15 + "2"},
    "lab_statement": {"key": "customer_history"},
    "exam_answer": {"findings": [{"kind": "nothing"}]},
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a tool answered."""

    text: str
    failed: bool

    def json(self) -> Any:
        assert not self.failed, self.text
        return json.loads(self.text)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """One connection."""

    client: Client

    async def call(self, tool: str, **arguments: object) -> Answer:
        result = await self.client.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        [content] = result.content
        assert isinstance(content, TextContent)
        return Answer(text=content.text, failed=bool(result.is_error))

    async def tools(self) -> list[Tool]:
        return (await self.client.list_tools()).tools

    async def read(self, uri: str) -> str:
        [content] = (await self.client.read_resource(uri)).contents
        return str(getattr(content, "text"))  # noqa: B009 - the other kind has no text

    async def every(self, **arguments: object) -> dict[str, Answer]:
        """Call every tool with what it needs, and with those of the arguments that it has."""
        found = {}
        for tool in await self.tools():
            known = tool.input_schema["properties"]
            given = {name: value for name, value in arguments.items() if name in known}
            found[tool.name] = await self.call(tool.name, **{**NEEDED.get(tool.name, {}), **given})
        return found


Work = Callable[[Caller], Coroutine[Any, Any, None]]


def in_process(server: MCPServer, work: Work) -> None:
    """Run calls on a server of this process."""
    _run(lambda: Client(server), work)


def over_stdio(environment: Mapping[str, str], work: Work, *options: str) -> None:
    """Run calls on `./creditlab mcp` as a client starts it."""
    server = StdioServerParameters(
        command=str(ROOT / "creditlab"), args=["mcp", *options], env=dict(environment)
    )
    _run(lambda: Client(server), work)


def over_http(url: str, token: str, work: Work) -> None:
    """Run calls over streamable HTTP."""

    async def connected() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            await _checked(work, client, failures)

    failures: list[BaseException] = []
    anyio.run(connected)
    for failure in failures:
        raise failure


def _run(made: Callable[[], Client], work: Work) -> None:
    async def connected() -> None:
        async with made() as client:
            await _checked(work, client, failures)

    failures: list[BaseException] = []
    anyio.run(connected)
    for failure in failures:
        raise failure


async def _checked(work: Work, client: Client, failures: list[BaseException]) -> None:
    """Run calls; a failed assertion is raised outside the client's task groups, which would wrap it."""
    try:
        await work(Caller(client=client))
    except Exception as error:  # noqa: BLE001 - raised by the caller
        failures.append(error)
