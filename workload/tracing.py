"""Spans by ddtrace: one root span per operation, psycopg2 spans beneath it, DBM comments in the SQL.

The only module that imports ddtrace, and only when tracing is on: patching the driver costs every
statement some 200 microseconds, which a run without tracing must not pay.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from workload.settings import Settings

if TYPE_CHECKING:
    from ddtrace.trace import Span as DatadogSpan
    from ddtrace.trace import Tracer as DatadogTracer


class Span(Protocol):
    """The root span of one operation."""

    def exemplar(self) -> dict[str, str] | None:
        """Labels for a Prometheus exemplar: trace id (32 hex digits) and span id (16)."""

    def tag(self, tags: Mapping[str, str | int | float]) -> None:
        """Set tags; none may hold personal data."""

    def fail(self, error: BaseException) -> None:
        """Mark the span as failed."""


class Tracing(Protocol):
    """Where operations get their spans from."""

    def operation(self, service: str, operation: str) -> AbstractContextManager[Span]:
        """Open the root span of an operation for the length of a `with` block."""

    def flush(self) -> None:
        """Send what is buffered; returns when sent or given up."""


class _NoSpan:
    def exemplar(self) -> None:
        return None

    def tag(self, tags: Mapping[str, str | int | float]) -> None: ...

    def fail(self, error: BaseException) -> None: ...


class NoTracing:
    """Tracing switched off by DD_TRACE_ENABLED=false."""

    _span = _NoSpan()

    @contextmanager
    def operation(self, service: str, operation: str) -> Iterator[Span]:
        """Open nothing."""
        del service, operation
        yield self._span

    def flush(self) -> None:
        """Do nothing."""


class _DatadogSpan:
    def __init__(self, span: "DatadogSpan") -> None:
        self._span = span

    def exemplar(self) -> dict[str, str]:
        return {
            "trace_id": f"{self._span.trace_id:032x}",
            "span_id": f"{self._span.span_id:016x}",
        }

    def tag(self, tags: Mapping[str, str | int | float]) -> None:
        for key, value in tags.items():
            if isinstance(value, str):
                self._span.set_tag(key, value)
            else:
                self._span.set_metric(key, value)

    def fail(self, error: BaseException) -> None:
        self._span.set_exc_info(type(error), error, error.__traceback__)


class DatadogTracing:
    """ddtrace's tracer, configured by the DD_* variables that Datadog documents."""

    def __init__(self, tracer: "DatadogTracer") -> None:
        self._tracer = tracer

    @contextmanager
    def operation(self, service: str, operation: str) -> Iterator[Span]:
        """Open a root span named credit.operation."""
        with self._tracer.trace(
            "credit.operation", service=service, resource=operation, span_type="worker"
        ) as span:
            yield _DatadogSpan(span)

    def flush(self) -> None:
        """Send what is buffered."""
        self._tracer.flush()  # type: ignore[no-untyped-call]


def start(settings: Settings) -> Tracing:
    """Patch psycopg2 and return the tracing of this process; call it before any connection is made."""
    if not settings.dd_trace_enabled:
        return NoTracing()
    from ddtrace import patch  # noqa: PLC0415 - see the module's docstring
    from ddtrace.trace import tracer  # noqa: PLC0415

    # With no agent listening the writer complains at every flush, for ever; the services must not care.
    logging.getLogger("ddtrace").setLevel(logging.CRITICAL)
    patch(psycopg=True)
    return DatadogTracing(tracer)
