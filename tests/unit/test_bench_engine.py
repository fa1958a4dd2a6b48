"""The load engine's client: how a turn is divided among its processes, and what their results add up to."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.bench.load.ending import end_all
from lab.bench.load.engine import Engine, connections
from lab.bench.load.scenarios import MIX, POINT, SCENARIOS
from lab.foundation.errors import LabError

# Answers each job with the process' own number of operations, and with the job's rate and seed as delays.
ANSWERS = """
import json, sys
number, errors = int(sys.argv[1]), int(sys.argv[2])
for line in sys.stdin:
    job = json.loads(line)
    given = [job["rate"], job["seed"]]
    print(json.dumps({
        "operations": 10 * number, "errors": errors, "seconds": job["seconds"], "start_delays": given,
        "durations": [1.0] if job["timed"] else [], "cpu_seconds": 0.001 * number, "statements": 0,
        "parts": {job["scenario"]: 1} if job["profiled"] else {},
    }), flush=True)
"""


@contextmanager
def processes(*numbers: int, errors: int = 0) -> Iterator[list[subprocess.Popen[str]]]:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", ANSWERS, str(number), str(errors)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in numbers
    ]  # fmt: skip
    try:
        yield started
    finally:
        end_all(started, within_s=60)
        for one in started:
            one.communicate()


def test_rates_of_the_processes_add_up_and_cpu_time_is_per_operation() -> None:
    """30 operations in 2 s of both; 3 ms of CPU time for them."""
    with processes(1, 2) as workers:
        found = Engine(workers).saturate(POINT, seconds=2.0)
        assert (found.tps, found.cpu_us) == pytest.approx((15.0, 100.0))


def test_a_rate_is_divided_among_the_processes_and_a_seed_is_not_repeated() -> None:
    """Each process has its share, and a seed of its own in each turn."""
    with processes(1, 1, 1) as workers:
        engine = Engine(workers, warm=False)
        assert engine.start_delays(MIX, seconds=1.0, rate=30.0) == [10.0, None] * 3
        done = engine.timed(MIX, seconds=1.0, rate=60.0, seed=7)
        assert [one.start_delays for one in done] == [[20.0, 21], [20.0, 22], [20.0, 23]]
        assert [one.durations for one in done] == [[1.0]] * 3
        closed = engine.timed(MIX, seconds=1.0)
        assert [one.start_delays for one in closed] == [[None, None]] * 3


def test_a_profile_is_of_the_first_process_alone() -> None:
    with processes(3, 5) as workers:
        engine = Engine(workers, warm=False)
        done = engine.profiled(MIX, seconds=1.0)
        assert (done.operations, done.parts) == (30, {"mix": 1})
        assert 1 < engine.resident_mb < 1000


def test_failed_operations_permit_no_comparison() -> None:
    """They are counted over all processes; a warm-up already finds them."""
    with processes(1, 1, errors=2) as workers:
        with pytest.raises(
            LabError, match="4 operations of 'mix' failed: no comparison is possible"
        ):
            Engine(workers, warm=False).saturate(MIX, seconds=1.0)
        with pytest.raises(LabError, match=f"4 operations of '{SCENARIOS[0].name}' failed"):
            Engine(workers)


def test_a_process_without_a_result_is_reported_with_its_status() -> None:
    command = [sys.executable, "-c", "import sys; sys.stdin.readline(); sys.exit(3)"]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        with pytest.raises(LabError, match="returned no result; its exit status is 3"):
            Engine([worker], warm=False).saturate(POINT, seconds=1.0)
    finally:
        worker.communicate()


def test_loads_that_are_open_together_share_the_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four connections a core, as far as 56 sessions of the role go."""
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert [connections(loads) for loads in (1, 3, 4, 7)] == [16, 16, 14, 8]
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert connections(1) == 4
