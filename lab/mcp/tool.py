"""One tool of the server: checks arguments and doors, calls, bounds and records the answer.

A subclass of the SDK's Tool, so that errors have the lab's wording: what failed, the value, what was
expected, what to do next.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import PrivateAttr, ValidationError

from lab.exam.doors import Door
from lab.foundation.errors import LabError
from lab.foundation.suggestions import unknown
from lab.mcp.answer import MAX_BYTES, encode
from lab.mcp.doors import Access, Needs
from lab.mcp.schema import shortened
from workload.errors import WorkloadError

F = TypeVar("F", bound=Callable[..., Any])
MARK = "_mcp_tool"
THREADS = 4
MAX_WAITING = 32
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer: its text, and the part of it that is data of an observer, not an echo of the request."""

    text: str
    data: str

    @classmethod
    def of(cls, found: dict[str, Any]) -> "Reply":
        """Return the reply of a tool; of rows with their time range, the rows are the data.

        Raises:
            LabError: when it is too long for a model.
        """
        text = bounded(encode(found))
        return cls(text=text, data=encode(found["rows"]) if "rows" in found else text)


class Calls:
    """The limit for concurrent calls of one server, and its access."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._threads = CapacityLimiter(THREADS)

    @property
    def waiting(self) -> int:
        """The number of calls that wait for a thread."""
        return self._threads.statistics().tasks_waiting

    async def run(self, function: Callable[[], str]) -> str:
        """Call a function in one of a few threads.

        Raises:
            LabError: when too many calls wait already.
        """
        if self.waiting >= MAX_WAITING:
            raise LabError(
                f"Too many concurrent calls: {THREADS} run and {MAX_WAITING} wait. Call again later."
            )
        return await to_thread.run_sync(function, limiter=self._threads)

    def guarded(self, needs: Needs, name: str, asked: str, read: Callable[[], Reply]) -> str:
        """Read something behind its doors, and record the answer.

        Args:
            needs: the doors.
            name: of the tool or resource.
            asked: the request as it is recorded: the name with its arguments.
            read: returns the answer.

        Raises:
            LabError: when it is closed, or a source does not answer: recorded as a request without data.
        """
        self.access.require(needs, name)
        try:
            reply = read()
        except LabError:
            self.access.record(needs, asked, "")
            raise
        self.access.record(needs, asked, reply.data)
        return reply.text


def tool(title: str, *doors: Door, truth: bool = False, writes: bool = False) -> Callable[[F], F]:
    """Mark a method as a tool; its name and docstring are what a model reads.

    Args:
        title: for people.
        doors: that it needs.
        truth: whether it shows what the lab itself knows of faults.
        writes: whether it changes anything: only the exam's form does.
    """

    def mark(function: F) -> F:
        setattr(function, MARK, (title, Needs(doors=doors, truth=truth), writes))
        return function

    return mark


class LabTool(Tool):
    """A tool behind its doors."""

    _needs: Needs = PrivateAttr()
    _calls: Calls = PrivateAttr()

    @classmethod
    def of(cls, function: Callable[..., Any], calls: Calls) -> "LabTool":
        """Return the tool of a marked function; arguments that it does not have are refused."""
        title, needs, writes = getattr(function, MARK)
        annotations = ToolAnnotations(
            read_only_hint=not writes,
            destructive_hint=False,
            idempotent_hint=not writes,
            open_world_hint=False,
        )
        made = cls.from_function(
            function,
            title=title,
            description=_unwrapped(function.__doc__ or ""),
            annotations=annotations,
            structured_output=False,
        )
        assert isinstance(made, cls)
        model = made.fn_metadata.arg_model
        model.model_config["extra"] = "forbid"
        model.model_rebuild(force=True)
        made.parameters = shortened(model.model_json_schema(by_alias=True))
        made.meta = {"doors": list(needs.labels)}
        made._needs, made._calls = needs, calls
        return made

    async def run(self, arguments: dict[str, Any], *_: object, **__: object) -> Any:
        """Answer one call with compact JSON.

        Raises:
            ToolError: when a door is closed, an argument is invalid, or the source does not answer.
        """
        try:
            values = self.fn_metadata.validate_arguments(arguments)
        except ValidationError as error:
            problems = _problems(error, [*self.parameters["properties"]])
            raise ToolError(f"{self.name}: {'; '.join(problems)}") from None
        asked = " ".join([self.name, *(f"{name}={value}" for name, value in arguments.items())])

        def read() -> Reply:
            return Reply.of(self.fn(**values))

        try:
            text = await self._calls.run(
                lambda: self._calls.guarded(self._needs, self.name, asked, read)
            )
        except (LabError, WorkloadError) as error:
            raise ToolError(f"{self.name}: {error}") from error
        except OSError as error:
            raise ToolError(f"{self.name}: {error.strerror or type(error).__name__}") from error
        except Exception as error:
            log.exception("the tool %s failed", self.name)
            raise ToolError(
                f"{self.name} failed by a defect of the lab ({type(error).__name__});"
                " the server's standard error has the details."
            ) from error
        return CallToolResult(content=[TextContent(type="text", text=text)])


def bounded(text: str) -> str:
    """Return a text that is not too long for a model.

    Raises:
        LabError: when it is too long.
    """
    size = len(text.encode())
    if size > 2 * MAX_BYTES:
        raise LabError(
            f"the answer has {size:,} bytes; at most {2 * MAX_BYTES:,} are returned. Use a shorter"
            " time range, a lower limit, a larger step or more filters; in PromQL, sum by (...) or topk."
        )
    return text


def _problems(error: ValidationError, known: list[str]) -> Iterator[str]:
    """Yield each invalid argument with its value and what was expected."""
    for one in error.errors(include_url=False):
        name = ".".join(str(part) for part in one["loc"]) or "arguments"
        if one["type"] == "extra_forbidden":
            yield unknown("argument", name[:60], known).replace("\n", " ")
        elif one["type"] == "missing":
            yield f"the argument {name} is missing"
        else:
            yield f"{name}={str(one['input'])[:60]!r}: {one['msg'].lower()}"


def _unwrapped(text: str) -> str:
    """Return a docstring's paragraphs without line breaks and indentation."""
    return "\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))
