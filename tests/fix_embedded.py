"""The Datadog side of a test's own database: a console, and the embedded agent that sends to it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry

from lab.foundation.settings import LabSettings
from lab.telemetry.embedded.__main__ import Agent
from tests.fix_console import RunningConsole, start_console

ENDS_WITHIN_S = 150


@contextmanager
def running_embedded(settings: LabSettings) -> Iterator[None]:
    """Run the embedded agent in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=Agent(settings, CollectorRegistry()).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(ENDS_WITHIN_S)


@contextmanager
def observed(settings: LabSettings) -> Iterator[tuple[LabSettings, RunningConsole]]:
    """Run a console with these settings' state directory and the embedded agent; yield their settings."""
    console = start_console(
        settings.lab_state_dir,
        POSTGRES_PORT=str(settings.postgres_port),
        POSTGRES_DB=settings.postgres_db,
    )
    settings = settings.model_copy(update={"console_port": console.port})
    try:
        with running_embedded(settings):
            yield settings, console
    finally:
        console.stop()
