"""The process of a substitute for the Agent: settings, metrics on EMBEDDED_AGENT_PORT, signals, status."""

import signal
import sys
import threading
from collections.abc import Callable

from prometheus_client import CollectorRegistry, make_wsgi_app

from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.telemetry import redact
from workload.errors import PortTakenError, SettingsError
from workload.http_server import Guarded, serve
from workload.request_policy import RequestPolicy

# Runs until the event is set.
Run = Callable[[LabSettings, CollectorRegistry, threading.Event], None]


def run_process(name: str, run: Run) -> None:
    """Run a substitute until SIGTERM or SIGINT; on failure print the error, and exit with its status."""
    try:
        settings = LabSettings.load()
        redact.use_file(Paths.of(settings).name_key)
        registry = CollectorRegistry()
        try:
            serve(
                Guarded(make_wsgi_app(registry), RequestPolicy.of(settings)),
                address=settings.bind_address,
                port=settings.embedded_agent_port,
                setting="EMBEDDED_AGENT_PORT",
            )
        except PortTakenError as error:
            raise LabError(f"{name} {error}.") from error
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        run(settings, registry, stop)
    except (LabError, SettingsError) as failure:
        print(failure, file=sys.stderr)
        sys.exit(LabError.exit_status)
