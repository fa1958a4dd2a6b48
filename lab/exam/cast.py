"""The actors of an exam: one process for each fault, and the reports that they send."""

import os
import subprocess
import sys
import threading
from contextlib import suppress

import msgspec

from lab.exam.actor import Part, Report
from lab.foundation.settings import ROOT

ENDS_WITHIN_S = 45.0


class Actor:
    """One actor's process, with its last report and all pids that it reported."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.last: Report | None = None
        self.pids: set[int] = set()
        self.chain: set[str] = set()
        self.heads: set[str] = set()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lab.exam.actor"],
            cwd=ROOT,
            env=dict(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(part) + b"\n")
        self._process.stdin.flush()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def failure(self) -> str:
        """Why the fault cannot be injected; empty while it can."""
        if self.last is not None and self.last.failure:
            return self.last.failure
        return "" if self._process.poll() is None else "its process has ended"

    @property
    def missing(self) -> str | None:
        """Why the fault is not proven; None when it is."""
        if self.last is None:
            return "nothing is reported yet"
        return None if self.last.holds else self.last.says

    def end(self) -> None:
        """End its sessions and the process; a process that does not end in time is killed."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                report = msgspec.json.decode(line, type=Report)
            except ValueError:
                continue
            self.pids.update(report.pids)
            self.heads.update(report.heads)
            self.chain.update(report.chain)
            self.last = report
