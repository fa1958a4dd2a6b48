"""One tool of the server: checks the observer's door and the arguments, calls, bounds and records the answer.

A subclass of the SDK's Tool, so that errors have the lab's wording: what failed, the value, what was
expected, what to do next.
"""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import PrivateAttr, ValidationError

from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.suggestions import unknown
from lab.mcp.answer import MAX_BYTES, encode
from lab.mcp.doors import Doors, Observer
from lab.mcp.schema import shortened
from workload.errors import WorkloadError

F = TypeVar("F", bound=Callable[..., Any])
MARK = "_mcp_tool"
THREADS = 4
MAX_WAITING = 32
log = logging.getLogger(__name__)


class Calls:
    """The limit for concurrent calls of one server, and its doors."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors
        self._threads = CapacityLimiter(THREADS)

    async def run(self, function: Callable[[], Any]) -> Any:
        """Call a function in one of a few threads.

        Raises:
            LabError: when too many calls wait already.
        """
        if self._threads.statistics().tasks_waiting >= MAX_WAITING:
            raise LabError(
                f"Too many concurrent calls: {THREADS} run and {MAX_WAITING} wait. Call again later."
            )
        return await to_thread.run_sync(function, limiter=self._threads)


def tool(observer: Observer, title: str) -> Callable[[F], F]:
    """Mark a method as a tool; its name and docstring are what a model reads."""

    def mark(function: F) -> F:
        setattr(function, MARK, (observer, title))
        return function

    return mark


class LabTool(Tool):
    """A tool of one observer."""

    _observer: Observer = PrivateAttr()
    _calls: Calls = PrivateAttr()

    @classmethod
    def of(cls, function: Callable[..., Any], calls: Calls) -> "LabTool":
        """Return the tool of a marked function; arguments that it does not have are refused."""
        observer, title = getattr(function, MARK)
        annotations = ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
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
        made.meta = {"observer": observer.value}
        made._observer, made._calls = observer, calls
        return made

    async def run(self, arguments: dict[str, Any], *_: object, **__: object) -> Any:
        """Answer one call with compact JSON.

        Raises:
            ToolError: when the observer is closed, an argument is invalid, or the source does not answer.
        """
        at_ns, started = clock.now_ns(), time.monotonic()
        text, failed = "", True
        try:
            text = await self._answer(arguments)
            failed = False
        except ToolError as error:
            text = str(error)
            raise
        finally:
            self._calls.doors.record(
                observer=self._observer.value,
                tool=self.name,
                arguments=arguments,
                answer=text,
                is_error=failed,
                at_ns=at_ns,
                duration_ms=(time.monotonic() - started) * 1000,
            )
        return CallToolResult(content=[TextContent(type="text", text=text)])

    async def _answer(self, arguments: dict[str, Any]) -> str:
        if reason := self._calls.doors.closed(self._observer.value):
            raise ToolError(f"{self.name} ({self._observer}) is {reason}")
        try:
            values = self.fn_metadata.validate_arguments(arguments)
        except ValidationError as error:
            raise ToolError(
                f"{self.name}: " + "; ".join(_problems(error, [*self._properties]))
            ) from None
        try:
            found = await self._calls.run(lambda: self.fn(**values))
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
        return bounded(encode(found), self.name)

    @property
    def _properties(self) -> dict[str, Any]:
        found: dict[str, Any] = self.parameters.get("properties", {})
        return found


def bounded(text: str, name: str) -> str:
    """Return a text that is not too long for a model.

    Raises:
        ToolError: when it is too long.
    """
    size = len(text.encode())
    if size > 2 * MAX_BYTES:
        raise ToolError(
            f"{name}: the answer has {size:,} bytes; at most {2 * MAX_BYTES:,} are returned. Use a shorter"
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
