"""Ends the processes that a benchmark has started: by SIGTERM, and by SIGKILL what does not obey in time."""

import subprocess
from collections.abc import Iterable
from typing import Any


def end_all(processes: Iterable[subprocess.Popen[Any]], *, within_s: float) -> None:
    """Send SIGTERM to all; kill each that still runs `within_s` seconds later. None is left running."""
    started = list(processes)
    for process in started:
        process.terminate()
    for process in started:
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
