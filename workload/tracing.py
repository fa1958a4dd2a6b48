"""The tracing interface of the services, and the choice between ddtrace and none.

ddtrace is imported only when tracing is on: patching the driver costs every statement some 200
microseconds, which a run without tracing must not pay.
"""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from workload.exemplars import SpanIds
from workload.settings import Settings


class Span(Protocol):
    """The root span of one operation."""

    @property
    def ids(self) -> SpanIds | None:
        """Its ids; None without tracing."""

    def tag(self, outcome: str, tags: Mapping[str, str | int | float]) -> None:
        """Set the outcome and other tags; none may contain personal data."""

    def fail(self, error: BaseException) -> None:
        """Mark the span as failed."""


class Tracing(Protocol):
    """Source of the operations' spans."""

    def operation(self, service: str, operation: str) -> AbstractContextManager[Span]:
        """Open the root span of an operation for the duration of a `with` block."""

    def active(self) -> SpanIds | None:
        """Return the ids of the operation that this thread runs; None without one."""

    def flush(self) -> None:
        """Send the buffered spans; return when they are sent or dropped."""


class _NoSpan:
    ids = None

    def tag(self, outcome: str, tags: Mapping[str, str | int | float]) -> None: ...

    def fail(self, error: BaseException) -> None: ...


class NoTracing:
    """Tracing switched off by DD_TRACE_ENABLED=false."""

    _span = nullcontext(_NoSpan())

    def operation(self, service: str, operation: str) -> AbstractContextManager[Span]:
        """Open nothing."""
        del service, operation
        return self._span

    def active(self) -> None:
        """Return None: no operation has a span."""
        return

    def flush(self) -> None:
        """Do nothing."""


def start(settings: Settings, service: str) -> Tracing:
    """Patch psycopg2 and return the tracing of this process; call it before any connection is made.

    Args:
        settings: whether to trace, and the environment, version and DBM mode to trace with.
        service: the service of this process, unless DD_SERVICE names it.
    """
    if not settings.dd_trace_enabled:
        return NoTracing()
    # The tracer reads only the process's environment, once; values of .env must be set there, too.
    for name, value in {
        "DD_SERVICE": service,
        "DD_ENV": settings.dd_env,
        "DD_VERSION": settings.dd_version,
        "DD_DBM_PROPAGATION_MODE": settings.dd_dbm_propagation_mode,
        # A statement's span has the service of its operation. By default it is `postgres` for all of them,
        # and APM's trace metrics, which have no tag of the caller, sum five services up.
        "DD_TRACE_REMOVE_INTEGRATION_SERVICE_NAMES_ENABLED": "true",
        # The database's name is then set as peer.service, and as its service (dddbs) in the comment for
        # Database Monitoring, which would otherwise have the caller twice. Costs two tags for each statement.
        "DD_TRACE_PEER_SERVICE_DEFAULTS_ENABLED": "true",
        # Data about the tracer itself, sent to Datadog by a thread of its own. The lab uses none of it.
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        # Remote configuration is not used, and with it the tracer leaves a file in the machine's
        # temporary directory at each start.
        "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    }.items():
        os.environ.setdefault(name, value)
    from workload import datadog  # noqa: PLC0415 - see the module's docstring

    return datadog.start()
