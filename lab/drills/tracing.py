"""Traces of a drill's sessions, sent to the console like those of the services."""

import os

from lab.drills.sessions import APPLICATION
from lab.foundation.addresses import reachable
from lab.foundation.settings import LabSettings
from workload import tracing
from workload.tracing import Tracing

DESTINATIONS = ("DD_TRACE_AGENT_URL", "DD_AGENT_HOST", "DD_TRACE_AGENT_PORT")


def start(settings: LabSettings, service: str = APPLICATION) -> Tracing:
    """Patch the driver, and return the tracing of this process; call it before the first connection.

    The tracer reads only the environment of the process.
    """
    if not any(name in os.environ for name in DESTINATIONS):
        console = f"{reachable(settings.bind_address)}:{settings.console_port}"
        os.environ["DD_TRACE_AGENT_URL"] = f"http://{console}"
    os.environ["DD_SERVICE"] = service
    os.environ.setdefault("DD_INSTRUMENTATION_TELEMETRY_ENABLED", "false")
    return tracing.start(settings, service)
