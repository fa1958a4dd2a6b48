"""`bench memory`: its arithmetic, and the command on two processes in place of the console and the agent."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lab.bench import memory
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.stack.native.records import Record
from lab.terminal.screen import out
from tests.fix_machine import Machine

Call = Callable[..., int]


def test_what_fills_in_the_warm_up_is_no_growth() -> None:
    """Caches fill once: only the growth afterwards is a slope."""
    found = memory.growth([(60.0 * n, 80e6 if n > 10 else 50e6 + n * 1e6) for n in range(60)])
    assert found.slope_mb_per_hour == 0
    assert (found.first_mb, found.last_mb, found.most_mb) == (50.0, 80.0, 80.0)


def test_a_peak_is_reported_beside_the_last_sample() -> None:
    found = memory.growth([(float(n), 90e6 if n == 5 else 60e6) for n in range(8)])
    assert (found.most_mb, found.last_mb) == (90.0, 60.0)


@pytest.fixture
def sleeper(machine: Machine) -> Iterator[psutil.Process]:
    """Both components are recorded: the console as this process, the agent as another one."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run = Paths.of(machine.settings).run
        run.mkdir(parents=True)
        for name, pid in (("console", os.getpid()), ("datadog", process.pid)):
            created = psutil.Process(pid).create_time()
            Record(component=name, pid=pid, created=created, version="1", address="none").write(run)
        yield psutil.Process(process.pid)
        process.kill()


def test_both_processes_are_sampled_at_even_intervals(
    sleeper: psutil.Process, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sixteen samples in a short run; the file has each one, the document what they come to."""
    file = tmp_path / "samples.csv"
    memory.memory(minutes=0.8 / 60, samples=file, as_json=True)
    found = json.loads(capsys.readouterr().out)["components"]
    assert list(found) == ["console", "datadog"]
    with file.open(encoding="utf-8") as opened:
        header, *rows = csv.reader(opened)
    assert header == ["seconds", "console", "datadog"]
    assert 2 <= len(rows) <= 16
    assert [float(at) for at, *_ in rows] == sorted(float(at) for at, *_ in rows)
    assert float(rows[-1][0]) < 0.8 + 0.05
    for column, name in enumerate(found, start=1):
        assert found[name]["first_mb"] == float(rows[0][column]) / 1e6
        assert found[name]["last_mb"] == float(rows[-1][column]) / 1e6
    assert found["datadog"]["first_mb"] < found["console"]["first_mb"]
    assert sleeper.is_running()


def test_a_person_reads_megabytes(capsys: pytest.CaptureFixture[str]) -> None:
    grown = memory.Growth(first_mb=50.04, last_mb=60.0, most_mb=61.26, slope_mb_per_hour=1.25)
    out.print(memory._table({"console": grown}, 60.0))
    lines = [line.split() for line in capsys.readouterr().out.replace("│", " ").splitlines()]
    assert ["console", "50.0", "60.0", "61.3", "1.2"] in lines
    assert ["Resident", "memory", "over", "60", "minutes,", "MB"] in lines


def test_a_process_that_ends_meanwhile_is_named(sleeper: psutil.Process) -> None:
    def end(_: str) -> None:
        sleeper.kill()
        sleeper.wait()

    with pytest.raises(LabError, match=f"Process {sleeper.pid} ended"):
        memory._watch({"datadog": sleeper}, 5.0, end)


def test_a_lab_in_which_one_of_them_does_not_run_is_refused(
    sleeper: psutil.Process, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    sleeper.kill()
    sleeper.wait()
    assert call("bench", "memory", "--minutes", "0.1") == 2
    assert "./creditlab up --native" in capsys.readouterr().err
