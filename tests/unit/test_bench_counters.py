"""Counters of the kernel that benchmarks read, beside those that psutil reads of the same process."""

import os

import psutil
import pytest

from lab.bench.intake import _peak_bytes
from lab.bench.overhead.usage import cpu_s, is_background
from lab.bench.propagation.measure import run_ns

NO_PROCESS = 2**22 + 1


def test_the_cpu_time_of_a_process_is_that_of_its_user_and_system_time() -> None:
    """Of its first thread, which may have run much less than all of them."""
    process = psutil.Process()
    before = sum(process.cpu_times()[:2])
    found = cpu_s(os.getpid())
    assert before / 50 < found < sum(process.cpu_times()[:2]) + 1
    assert found <= run_ns(os.getpid()) / 1e9 < found + 60


def test_a_process_that_has_ended_has_run_no_time() -> None:
    """Its CPU time is unknown to psutil as well."""
    assert run_ns(NO_PROCESS) == 0
    with pytest.raises(psutil.NoSuchProcess):
        cpu_s(NO_PROCESS)


def test_the_peak_of_memory_is_no_less_than_what_is_resident() -> None:
    resident = psutil.Process().memory_info().rss
    assert resident <= _peak_bytes(os.getpid()) < 100 * resident


@pytest.mark.parametrize(
    ("title", "background"),
    [
        ("postgres: checkpointer ", True), ("postgres: background writer ", True),
        ("postgres: autovacuum worker creditdb", True), ("postgres: logical replication launcher ", True),
        ("postgres: walwriter ", True), ("postgres: startup recovering 1", True), ("/usr/bin/python", True),
        ("postgres: credit_app creditdb 127.0.0.1(1) idle", False),
        ("postgres: parallel worker for PID 7 ", False),
    ],
)  # fmt: skip
def test_processes_that_execute_no_statement_are_background(
    title: str, *, background: bool
) -> None:
    assert is_background(title) is background
