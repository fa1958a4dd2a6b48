"""docs/mcp.md lists exactly the tools, resources and prompts that the server has; a model can read each."""

import json
import re
from typing import Any

import anyio
import pytest
from mcp.server.mcpserver import MCPServer
from mcp.types import Tool

from lab.exam.doors import Door
from lab.foundation.settings import ROOT, LabSettings
from lab.mcp.server import INSTRUCTIONS, build
from lab.mcp.sources import Sources

DOCUMENT = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| ([\w, -]+) \| (.+) \|$", re.MULTILINE)
# A client sends all of them to its model before the first call.
MOST_CHARACTERS = 40_000


@pytest.fixture(scope="module")
def server() -> MCPServer:
    return build(Sources(settings=LabSettings.load()))


@pytest.fixture(scope="module")
def tools(server: MCPServer) -> list[Tool]:
    return anyio.run(server.list_tools)


def needs(tool: Tool) -> str:
    doors: list[str] = (tool.meta or {})["doors"]
    return "all" if doors == [door.value for door in Door] else ", ".join(doors) or "-"


def test_the_table_has_every_tool_in_order_with_its_doors(tools: list[Tool]) -> None:
    assert [(name, doors) for name, doors, _ in ROW.findall(DOCUMENT)] == [
        (tool.name, needs(tool)) for tool in tools
    ]


def test_resources_and_prompts_are_listed(server: MCPServer) -> None:
    resources = anyio.run(server.list_resources)
    templates = anyio.run(server.list_resource_templates)
    uris = [*(r.uri for r in resources), *(t.uri_template for t in templates)]
    names = [*map(str, uris), *(prompt.name for prompt in anyio.run(server.list_prompts))]
    assert [name for name in names if f"`{name}`" not in DOCUMENT] == []
    assert all(resource.description for resource in resources)


def test_each_tool_and_argument_has_a_description(tools: list[Tool]) -> None:
    """A tool has a title and at least a sentence; an argument its meaning, and limits."""
    for tool in tools:
        assert tool.title
        assert len(tool.description or "") > 60, tool.name
        assert tool.input_schema["additionalProperties"] is False
        for name, argument in tool.input_schema["properties"].items():
            assert argument.get("description"), (tool.name, name)
            assert is_bounded(argument), (tool.name, name, argument)


def is_bounded(argument: dict[str, Any]) -> bool:
    """Whether a value has a limit, or one of a few forms."""
    limits = {"enum", "maximum", "maxLength", "maxItems", "pattern"}
    return argument.get("type") == "boolean" or bool(limits & argument.keys())


def test_only_the_form_of_the_exam_writes(tools: list[Tool]) -> None:
    writing = {t.name for t in tools if t.annotations and not t.annotations.read_only_hint}
    assert writing == {"exam_answer", "exam_hint"}


def test_what_a_model_reads_first_is_short(tools: list[Tool]) -> None:
    listed = [tool.model_dump(mode="json", exclude_none=True, by_alias=True) for tool in tools]
    assert len(json.dumps(listed)) + len(INSTRUCTIONS) < MOST_CHARACTERS
