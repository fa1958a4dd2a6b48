"""Spans by ddtrace: one root span per operation, psycopg2 spans beneath it, DBM comments in the SQL.

The only module that imports ddtrace; see workload/tracing.py for when.
"""

import logging
from collections.abc import Mapping
from typing import Self

from ddtrace import config, patch
from ddtrace.trace import Span, TraceFilter, Tracer, tracer

from workload.exemplars import SpanIds


class _Span:
    """A root span, active for the duration of a `with` block."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._span.finish()

    @property
    def ids(self) -> SpanIds:
        return SpanIds(self._span.trace_id, self._span.span_id)

    def tag(self, outcome: str, tags: Mapping[str, str | int | float]) -> None:
        self._span.set_tag("credit.outcome", outcome)
        for key, value in tags.items():
            if isinstance(value, str):
                self._span.set_tag(key, value)
            else:
                self._span.set_metric(key, value)

    def fail(self, error: BaseException) -> None:
        self._span.set_exc_info(type(error), error, error.__traceback__)


class DatadogTracing:
    """ddtrace's tracer, configured by the DD_* variables that Datadog documents."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def operation(self, service: str, operation: str) -> _Span:
        """Open a root span named credit.operation."""
        return _Span(
            self._tracer.trace(
                "credit.operation", service=service, resource=operation, span_type="worker"
            )
        )

    def active(self) -> SpanIds | None:
        """Return the ids of the operation that this thread runs; None without one."""
        root = self._tracer.current_root_span()
        return SpanIds(root.trace_id, root.span_id) if root else None

    def flush(self) -> None:
        """Send the buffered spans."""
        self._tracer.flush()  # type: ignore[no-untyped-call]


class _FirstLines(TraceFilter):
    """Keeps the first line of the driver's errors: the others quote the row or the statement."""

    def process_trace(self, trace: list[Span]) -> list[Span]:
        for span in trace:
            if span.error and span.get_tag("component") == "psycopg":
                message = span.get_tag("error.message") or ""
                span.set_tag("error.message", message.partition("\n")[0])
                span.remove_tag("error.stack")
        return trace


def start() -> DatadogTracing:
    """Patch psycopg2 and return the tracing of this process, configured by the DD_* variables."""
    # Without an agent the writer logs an error at every flush; the services must not depend on it.
    logging.getLogger("ddtrace").setLevel(logging.CRITICAL)
    # Flask is used by the shop only; it is patched when it is imported.
    patch(psycopg=True, flask=True)
    import psycopg2  # noqa: F401, PLC0415 - its configuration is there once it is imported and patched

    if config.psycopg["_default_service"] == config.service:
        # DD_TRACE_REMOVE_INTEGRATION_SERVICE_NAMES_ENABLED makes it that of the process. Five services in one
        # process need that of the operation, which a span without a service of its own takes from its parent.
        config.psycopg["_default_service"] = None
    tracer.configure(trace_processors=[_FirstLines()])
    return DatadogTracing(tracer)
