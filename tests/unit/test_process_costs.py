"""CPU of an observer: seconds of its whole process tree, as a share of the time since its start."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lab.compare import processes
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.stack.native.records import Record
from tests.fix_postgres import free_port, settings_for

BURNT_S = 0.3
# A younger process has the mean of a second.
AGE_S = 1.0
WITHIN_S = 120.0
# Parent and child have nothing to do, or both have; the parent ends with its standard input.
PROGRAM = """
import subprocess, sys, threading
spin = "while True: pass"
child = subprocess.Popen([sys.executable, "-c", spin])
threading.Thread(target=exec, args=(spin,), daemon=True).start()
sys.stdin.read()
child.kill()
child.wait()
"""


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    """Of a lab of which nothing runs."""
    defaults = settings_for(port=free_port(), database="none")
    return defaults.model_copy(update={"lab_state_dir": tmp_path})


@pytest.fixture
def stopped() -> Iterator[psutil.Process]:
    """A process and its child that have each used a processor for some time, and use no more."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE) as popen:
        assert popen.stdin
        process = psutil.Process(popen.pid)

        def idle() -> str | None:
            used = [_used(one) for one in (process, *process.children())]
            age_s = time.time() - process.create_time()
            ready = len(used) == 2 and min(used) >= BURNT_S and age_s > AGE_S
            return None if ready else f"CPU seconds: {used}, age {age_s:.2f} s"

        tree: list[psutil.Process] = []
        try:
            await_state("both have used their share", idle, within_s=WITHIN_S)
            tree = [process, *process.children()]
            for one in tree:
                os.kill(one.pid, signal.SIGSTOP)
            yield process
        finally:
            for one in tree:
                os.kill(one.pid, signal.SIGCONT)
            popen.stdin.close()


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@pytest.mark.real_clock
def test_cpu_and_memory_are_those_of_the_process_and_its_descendants(
    settings: LabSettings, stopped: psutil.Process
) -> None:
    """Its CPU is 100 % times the CPU seconds of both by the seconds since it started; memory is their sum."""
    run = settings.lab_state_dir / "run"
    run.mkdir()
    Record(
        component="prometheus", pid=stopped.pid, created=stopped.create_time(), version="1", address=""
    ).write(run)  # fmt: skip
    tree = [stopped, *stopped.children()]
    burnt = sum(map(_used, tree))
    before = 100 * burnt / (time.time() - stopped.create_time())
    cpu, memory = processes.spent(settings)
    after = 100 * burnt / (time.time() - stopped.create_time())
    assert cpu.what == "prometheus: CPU, mean"
    assert cpu.value is not None
    assert after * 0.99 <= cpu.value <= before * 1.01
    assert memory.value == pytest.approx(sum(one.memory_info().rss for one in tree) / 1e6, rel=0.01)
