"""A process that the benchmark starts for a block, and ends with the block in any case."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import Signals
from subprocess import STDOUT

import psutil

from lab.foundation.errors import LabError
from lab.foundation.readiness import await_state
from lab.stack.native.commands import Command

STOP_S = 30
LOG_LINES = 10


class Process:
    """A running process; a frozen one uses only memory."""

    def __init__(self, name: str, process: psutil.Popen, log: Path) -> None:
        self._name = name
        self._process = process
        self._log = log

    @property
    def running(self) -> psutil.Popen:
        """The process itself, for its CPU time."""
        return self._process

    def await_ready(self, probe: Callable[[], str | None], within_s: float) -> None:
        """Wait until the probe reports no reason.

        Raises:
            LabError: with the end of its log, when it ends; NotReadyError when it takes too long.
        """
        await_state(
            f"the benchmark's {self._name} works",
            probe,
            within_s=within_s,
            watch=lambda _: self.require(),
        )

    def require(self) -> None:
        """Check that the process is running.

        Raises:
            LabError: with the end of its log.
        """
        if self._process.poll() is not None:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
            end = "\n".join(lines[-LOG_LINES:])
            raise LabError(f"The benchmark's {self._name} has ended. Its last lines:\n{end}")

    def freeze(self) -> None:
        """Stop it by SIGSTOP; its connections stay open."""
        self._process.suspend()

    def thaw(self) -> None:
        """Continue it by SIGCONT."""
        self._process.resume()


@contextmanager
def running(
    name: str, command: Command, state: Path, *, stop_signal: str = "TERM"
) -> Iterator[Process]:
    """Start a process, with a log in this directory, and end it.

    It has its own session: Ctrl-C must reach only the benchmark, which ends its processes in order.
    """
    log = state / f"{name}.log"
    with log.open("wb") as output:
        process = psutil.Popen(
            command.argv,
            env=command.environment,
            cwd=command.directory,
            stdout=output,
            stderr=STDOUT,
            start_new_session=True,
        )
    try:
        yield Process(name, process, log)
    finally:
        with suppress(psutil.NoSuchProcess):
            process.resume()
            process.send_signal(Signals[f"SIG{stop_signal}"])
        try:
            process.wait(STOP_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)
