"""A separate console of the benchmark, on a free port and in its own directory, for fault injection."""

import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from lab.clients import http
from lab.foundation.paths import Paths
from lab.foundation.readiness import NotReadyError, await_state
from lab.telemetry.store import Reader

START_S = 60
STOP_S = 30
ANSWER_S = 5
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


class OwnConsole:
    """The console; its state directory outlives its processes."""

    def __init__(self, state: Path, *, log: Path) -> None:
        self.log = log
        self.port = free_port()
        self.store = Reader(Paths(state=state).store)
        self._state = state
        self._process: psutil.Popen | None = None

    @property
    def process(self) -> psutil.Popen:
        """The running process, or the last one."""
        assert self._process
        return self._process

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers.

        Raises:
            NotReadyError: when it does not answer in time.
        """
        if self._process and self._process.poll() is None:
            return
        environment = {
            **os.environ,
            "LAB_STATE_DIR": str(self._state),
            "POSTGRES_LOG_DIR": str(self.log),
            "CONSOLE_PORT": str(self.port),
            "BIND_ADDRESS": "127.0.0.1",
        }
        self._process = psutil.Popen([sys.executable, "-P", "-m", "lab.console"], env=environment)
        await_state("the benchmark's console answers", self._not_ready, within_s=START_S)

    def stop(self) -> None:
        """End it by SIGTERM.

        Raises:
            NotReadyError: when it does not end in time; it is then killed.
        """
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._end(signal.SIGKILL)

    def end(self) -> None:
        """End it in any state, by SIGKILL if necessary; does not hide an error that is already raised."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGCONT)
        with suppress(NotReadyError):
            self.stop()

    def freeze(self) -> None:
        """Stop it by SIGSTOP: the kernel accepts connections, and none is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def fill_disk(self) -> None:
        """Make all its writes fail, as on a full disk: the kernel refuses them."""
        self.process.rlimit(psutil.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def restore(self) -> None:
        """Undo all injected faults; wait until it answers."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.rlimit(psutil.RLIMIT_FSIZE, UNLIMITED)
        self.start()
        await_state("the benchmark's console answers again", self._not_ready, within_s=START_S)

    def health(self) -> dict[str, Any]:
        """Return the document of /healthz.

        Raises:
            NoResponseError: when nothing answers.
        """
        answer = http.send("GET", "127.0.0.1", self.port, "/healthz", timeout_s=ANSWER_S)
        document: dict[str, Any] = json.loads(answer.body)
        return document

    def _end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        try:
            self.process.wait(STOP_S)
        except psutil.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise NotReadyError(
                f"The benchmark's console did not end within {STOP_S} s of {how.name}; it was killed."
            ) from None

    def _not_ready(self) -> str | None:
        if self.process.poll() is not None:
            raise NotReadyError(f"The benchmark's console ended with {self.process.returncode}.")
        try:
            self.health()
        except (http.NoResponseError, ValueError) as error:
            return str(error)
        return None


@contextmanager
def own_console(state: Path, *, log: Path) -> Iterator[OwnConsole]:
    """Yield a running console, and end it in whatever state.

    Args:
        state: its directory.
        log: the log directory that it follows.

    Raises:
        NotReadyError: when it does not start.
    """
    console = OwnConsole(state, log=log)
    try:
        console.start()
        yield console
    finally:
        console.end()


def free_port() -> int:
    """Return an unused port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
