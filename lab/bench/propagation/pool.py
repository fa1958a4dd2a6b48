"""The workers of the benchmark: a process for each driver and mode, connected by every route."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from lab.bench.load.ending import end_all
from lab.bench.propagation.cells import Address, Cell, Done, Job, SqlSpan
from lab.foundation.errors import LabError
from lab.foundation.settings import ROOT
from lab.stack.environment import plain

END_S = 30
TRACED = {
    "DD_SERVICE": "credit-bench",
    "DD_ENV": "bench",
    "DD_VERSION": "1",
    "DD_TRACE_ENABLED": "true",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_STARTUP_LOGS": "false",
}


class Workers:
    """Running workers, by driver and mode."""

    def __init__(self, processes: Mapping[tuple[str, str], "subprocess.Popen[str]"]) -> None:
        self._processes = processes

    def run(self, cell: Cell, job: Job) -> Done:
        """Run a job in the cell's worker.

        Raises:
            LabError: when the worker ends: a connection or a statement failed.
        """
        worker = self._processes[cell.driver, cell.mode]
        assert worker.stdin
        assert worker.stdout
        line = ""
        try:
            worker.stdin.write(json.dumps(asdict(job)) + "\n")
            worker.stdin.flush()
            line = worker.stdout.readline()
        except BrokenPipeError:
            pass
        if not line:
            raise LabError(
                f"{cell.driver} by route {cell.route} with propagation {cell.mode} returned no result;"
                " its error is above."
            )
        done = json.loads(line)
        spans = [SqlSpan(**one) for one in done.pop("spans")]
        return Done(**done, spans=spans)


@contextmanager
def workers(
    cells: Sequence[Cell],
    addresses: Mapping[str, Address],
    *,
    packages: Path | None,
    spans_to: str,
) -> Iterator[Workers]:
    """Start the workers of these cells, for the duration of a block.

    Args:
        cells: all drivers and modes of them are started.
        addresses: by route.
        packages: directory of the drivers that are not the lab's own.
        spans_to: URL of the spans' receiver.
    """
    environment = {
        **plain(),
        **TRACED,
        "DD_TRACE_AGENT_URL": spans_to,
        "PYTHONPATH": os.pathsep.join(str(path) for path in (packages, ROOT) if path),
    }
    processes: dict[tuple[str, str], subprocess.Popen[str]] = {}
    try:
        for driver, mode in dict.fromkeys((cell.driver, cell.mode) for cell in cells):
            processes[driver, mode] = subprocess.Popen(
                [sys.executable, "-P", "-m", "lab.bench.propagation.worker", driver],
                env={**environment, "DD_DBM_PROPAGATION_MODE": mode},
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                start_new_session=True,
            )  # fmt: skip
        document = json.dumps({route: asdict(one) for route, one in addresses.items()})
        for worker in processes.values():
            assert worker.stdin
            worker.stdin.write(document + "\n")
            worker.stdin.flush()
        yield Workers(processes)
    finally:
        end_all(list(processes.values()), within_s=END_S)
        for worker in processes.values():
            worker.communicate()
