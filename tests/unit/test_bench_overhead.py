"""An observer's cost: intervals over rounds, verdicts, and the order of the turns."""

import io
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from lab.bench.overhead.command import tables
from lab.bench.overhead.measure import OverheadPlan, Result, Turn
from lab.bench.overhead.modes import MODES, UNOBSERVED, order
from lab.bench.overhead.ratios import ROUNDS_AT_LEAST, Verdict, difference, ratio
from lab.bench.process import running
from lab.foundation.errors import LabError
from lab.foundation.readiness import await_state
from lab.stack.environment import plain
from lab.stack.native.command import Command

TRACING = next(mode for mode in MODES if mode.tracing and not mode.agent)


def turn(*, speed: float, cpu_us: float) -> Turn:
    return Turn(
        operations_per_s=1000 * speed,
        p50_ms=2 / speed,
        p95_ms=5 / speed,
        p99_ms=9 / speed,
        client_cpu_us_per_statement=cpu_us,
    )


def result(traced: Sequence[float], machine: Sequence[float]) -> Result:
    """A run in which tracing leaves these shares of the speed, on a machine as fast as these per round."""
    turns = {
        mode.name: [
            turn(
                speed=speed * (share if mode is TRACING else 1.0),
                cpu_us=300 if mode is TRACING else 100,
            )
            for share, speed in zip(traced, machine, strict=True)
        ]
        for mode in MODES
    }
    return Result(
        plan=OverheadPlan(seconds=5, rounds=len(machine), processes=2, connections=8), turns=turns
    )


def test_the_interval_is_students() -> None:
    """Against the textbook: 2.776 times 1.5811 by the root of 5, around 3."""
    found = difference([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.low == pytest.approx(1.037, abs=1e-3)
    assert found.high == pytest.approx(4.963, abs=1e-3)
    assert found.verdict is Verdict.HIGHER


def test_twice_and_half_as_much_cancel_out() -> None:
    found = ratio([2.0, 0.5, 2.0, 0.5])
    assert found.value == pytest.approx(1.0)
    assert found.verdict is Verdict.SAME
    assert found.low is not None
    assert found.low < 1


@pytest.mark.parametrize("rounds", range(1, ROUNDS_AT_LEAST))
def test_too_few_rounds_say_nothing(rounds: int) -> None:
    """However clear they look; one round has no interval either."""
    found = ratio([0.5] * rounds)
    assert found.verdict is Verdict.UNKNOWN
    assert (found.low is None) == (rounds == 1)
    assert difference([7.0] * rounds).verdict is Verdict.UNKNOWN


def test_an_interval_that_holds_the_neutral_value_is_not_distinguishable() -> None:
    assert ratio([0.97, 1.02, 0.99, 1.01]).verdict is Verdict.SAME
    assert ratio([0.90, 0.91, 0.89, 0.90]).verdict is Verdict.LOWER
    assert difference([-3.0, 2.0, 4.0, -1.0]).verdict is Verdict.SAME
    assert difference([-3.0, -3.1, -2.9, -3.0]).verdict is Verdict.LOWER


def test_more_rounds_than_the_table_has_give_an_interval() -> None:
    assert ratio([0.9, 0.92] * 40).verdict is Verdict.LOWER


def test_each_mode_follows_each_other_once() -> None:
    """Over as many rounds as there are modes; and each has each place once."""
    rounds = [order(number) for number in range(len(MODES))]
    neighbours = Counter((a.name, b.name) for one in rounds for a, b in pairwise(one))
    assert len(neighbours) == len(MODES) * (len(MODES) - 1)
    assert set(neighbours.values()) == {1}
    for place in zip(*rounds, strict=True):
        assert set(place) == set(MODES)


def test_a_machine_that_gets_slower_does_not_count_against_an_observer() -> None:
    """Each turn is compared only with the unobserved one of its own round."""
    found = result(traced=(0.5, 0.5, 0.5, 0.5), machine=(1.0, 0.6, 0.4, 0.3))
    cost = found.cost(TRACING)
    assert cost.operations_per_s.value == pytest.approx(0.5)
    assert cost.operations_per_s.verdict is Verdict.LOWER
    assert cost.p99_ms.value == pytest.approx(2.0)
    assert cost.p99_ms.verdict is Verdict.HIGHER
    assert cost.client_cpu_us_per_statement.value == pytest.approx(200)
    assert found.cost(UNOBSERVED).p50_ms.verdict is Verdict.SAME


def test_a_person_reads_every_figure_and_what_to_make_of_it() -> None:
    screen = Console(file=io.StringIO(), width=160)
    screen.print(tables(result(traced=(0.5, 0.6, 0.5, 0.6), machine=(1.0, 1.0, 1.0, 1.0))))
    told = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "embedded agent, not Datadog's" in told
    assert "pg_stat_statements and auto_explain loaded" in told
    assert "scraped every 5 s" in told
    assert "+200" in told
    assert told.count("not distinguishable") == 20
    assert told.count(" lower") == 1


def test_the_document_has_every_turn() -> None:
    """So that the figures can be recomputed."""
    document = result(traced=(0.5,), machine=(1.0,)).to_json()
    found = document["modes"]
    assert isinstance(found, dict)
    assert list(found) == [mode.name for mode in MODES]
    assert found[UNOBSERVED.name]["cost"] is None
    assert found[TRACING.name]["cost"]["operations_per_s"]["verdict"] == "unknown"
    assert len(found[TRACING.name]["turns"]) == 1


def command(*argv: str) -> Command:
    return Command(argv=argv, environment=plain(), version="")


def _moving(process: psutil.Process) -> str | None:
    status = process.status()
    return None if status == psutil.STATUS_STOPPED else f"it is {status}"


def test_a_frozen_process_ends_with_its_block(tmp_path: Path) -> None:
    """It would not receive the signal before it continues."""
    with running("sleeper", command("/bin/sleep", "60"), tmp_path) as process:
        [child] = [c for c in psutil.Process().children() if c.name() == "sleep"]
        process.freeze()
        await_state("the process is stopped", lambda: _moving(child), within_s=60)
    assert not child.is_running()


def test_a_process_that_has_ended_is_told_of_with_its_last_words(tmp_path: Path) -> None:
    failing = command("/bin/sh", "-c", "echo no such database; exit 3")
    with (
        pytest.raises(LabError, match=r"exporter has ended.*\n.*no such database"),
        running("exporter", failing, tmp_path) as process,
    ):
        process.await_ready(lambda: "nothing", within_s=60)
