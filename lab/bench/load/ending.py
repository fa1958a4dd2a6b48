"""Ends the processes that a benchmark has started: by SIGTERM, and after a timeout by SIGKILL."""

import subprocess
from collections.abc import Iterable
from typing import Any


def end_all(processes: Iterable[subprocess.Popen[Any]], *, within_s: float) -> None:
    """Send SIGTERM to all; kill those that still run `within_s` seconds later."""
    started = list(processes)
    for process in started:
        process.terminate()
    for process in started:
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
