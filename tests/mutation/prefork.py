"""A process that has imported pytest and the libraries, and forks for each run of tests.

Importing them takes longer than most unit tests. Nothing of the tree is imported before the fork: each
run reads the files as they are then.
"""

import gc
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, Self

import pytest

from tests.mutation.clone import Clone

# ddtrace is not among them: it reads the environment when it is imported.
LIBRARIES = (
    "asyncio", "concurrent.futures.thread", "flask", "google.protobuf.message", "html.parser", "http.server",
    "hypothesis.strategies", "jinja2.ext", "mcp", "msgspec", "multiprocessing.pool", "playwright.sync_api",
    "prometheus_client", "psutil", "psycopg2.extras", "pydantic", "rich.live", "rich.markdown",
    "rich.progress", "rich.table", "sqlite3", "starlette.applications", "supervisor.options", "typer.testing",
    "unittest.mock", "urllib.request", "uvicorn", "waitress", "xml.etree.ElementTree", "yaml", "zstandard",
)  # fmt: skip
# The libraries that are plugins of pytest have been imported without its rewriting of assertions.
ARGUMENTS = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
ENDS_WITHIN_S = 30.0


class Prefork:
    """The process, as its client sees it; a context manager that ends it."""

    def __init__(self, clone: Clone) -> None:
        self.clone = clone
        self._output = clone.root.parent / "output.txt"
        self._process = subprocess.Popen(
            [str(clone.python), "-P", "-m", "tests.mutation.prefork", str(self._output)],
            cwd=clone.root,
            env=clone.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], *, within_s: float
    ) -> tuple[int | None, str]:
        """Run pytest; return its exit status, None when it did not end within `within_s`, and its output."""
        assert self._process.stdin
        request = json.dumps({"arguments": arguments, "environment": environment})
        self._process.stdin.write(f"{request}\n".encode())
        child = self._line(None)
        assert child, "the process that forks has ended"
        try:
            status = self._line(within_s)
        except BaseException:
            self._end(child)
            raise
        if status is None:
            self._end(child)
        return status, self._output.read_text(encoding="utf-8", errors="replace")

    def _line(self, within_s: float | None) -> int | None:
        """Return the next number that the process writes; None when there is none in time."""
        assert self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(within_s):
                return None
        line = self._process.stdout.readline()
        return int(line) if line else None

    def _end(self, child: int) -> None:
        """End what hangs: as Ctrl-C first, so that fixtures stop their servers; then the whole group."""
        for number in (signal.SIGINT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(child, number)
            if self._line(ENDS_WITHIN_S) is not None:
                return


def main(output: str) -> None:
    """Import the libraries; then fork for each line of standard input."""
    for name in LIBRARIES:
        import_module(name)
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _run(json.loads(line), output)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _run(request: Mapping[str, Any], output: str) -> None:
    os.setsid()
    files = (
        os.open(os.devnull, os.O_RDONLY),
        os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    )
    for source, targets in zip(files, ((0,), (1, 2)), strict=True):
        for target in targets:
            os.dup2(source, target)
    os.environ.update(request["environment"])
    status = 1
    try:
        status = int(pytest.main([*ARGUMENTS, *request["arguments"]]))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1])
