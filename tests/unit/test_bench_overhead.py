"""An observer's cost: intervals over rounds, verdicts, and the order of the turns."""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from lab.bench.load.job import Done
from lab.bench.overhead.command import costs, tables
from lab.bench.overhead.figures import Turn, turn_of
from lab.bench.overhead.measure import OverheadPlan, Result
from lab.bench.overhead.modes import MODES, UNOBSERVED, order
from lab.bench.overhead.ratios import ROUNDS_AT_LEAST, Verdict, difference, ratio
from lab.bench.overhead.usage import Usage
from lab.bench.process import running
from lab.foundation.errors import LabError
from lab.foundation.readiness import await_state
from lab.stack.environment import plain
from lab.stack.native.commands import Command

TRACING = next(mode for mode in MODES if mode.tracing and not mode.agent)


def turn(*, speed: float, server_us: float, client_us: float = 300) -> Turn:
    return Turn(
        operations_per_s=200,
        statements=2,
        p50_ms=2 / speed,
        p99_ms=9 / speed,
        client_us=client_us,
        backends_us=server_us,
        background_us=100,
        wal_bytes=50,
        log_bytes=0,
        sent_bytes=0,
        server_mb=200,
        client_mb=60,
    )


def result(more_us: Sequence[float], machine: Sequence[float] | None = None) -> Result:
    """A run in which tracing costs the server so much, on a machine as fast as these in each round."""
    speeds = machine or [1.0] * len(more_us)
    turns = {
        mode.name: [
            turn(
                speed=speed,
                server_us=600 + (more if mode is TRACING else 0.0),
                client_us=400 if mode is TRACING else 300,
            )
            for more, speed in zip(more_us, speeds, strict=True)
        ]
        for mode in MODES
    }
    plan = OverheadPlan(seconds=5, rounds=100, minutes=20, rate=200, processes=2, connections=8)
    return Result(plan=plan, modes=MODES, turns=turns)


def test_the_interval_is_students() -> None:
    """Of fewer than five rounds; compared with the textbook: 3.182 times 1.2910 by 2, around 2.5."""
    found = difference([1.0, 2.0, 3.0, 4.0])
    assert found.low == pytest.approx(0.446, abs=1e-3)
    assert found.high == pytest.approx(4.554, abs=1e-3)
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
    rounds = [order(number, MODES) for number in range(len(MODES))]
    neighbours = Counter((a.name, b.name) for one in rounds for a, b in pairwise(one))
    assert len(neighbours) == len(MODES) * (len(MODES) - 1)
    assert set(neighbours.values()) == {1}
    for place in zip(*rounds, strict=True):
        assert set(place) == set(MODES)


def test_a_disturbed_round_does_not_determine_the_figure() -> None:
    """The lowest and the highest fifth are left out; the interval has the textbook's value."""
    disturbed = difference([10.0, 9.0, 11.0, 10.0, 500.0])
    assert disturbed.value == pytest.approx(31 / 3)
    assert disturbed.low == pytest.approx(31 / 3 - 4.303 * 0.5477 * 5**0.5 / 3, abs=1e-3)
    assert disturbed.verdict is Verdict.HIGHER


def test_the_cost_is_the_difference_within_the_rounds_as_a_share_of_the_unobserved_load() -> None:
    """50 us of 700 of the server, 150 of 1000 of both; a machine that gets slower changes nothing."""
    found = result([50.0, 50.0, 50.0, 50.0], machine=(1.0, 0.6, 0.4, 0.3))
    cost = found.cost(TRACING)
    assert cost.server_us.value == pytest.approx(50)
    assert cost.server_share.value == pytest.approx(50 / 700)
    assert cost.cpu_us.value == pytest.approx(150)
    assert cost.cpu_share.value == pytest.approx(0.15)
    assert cost.differences["client_us"].value == pytest.approx(100)
    assert cost.differences["wal_bytes"].value == 0
    assert cost.ratios["p99_ms"].value == pytest.approx(1.0)
    assert found.cost(UNOBSERVED).cpu_us.verdict is Verdict.SAME


@pytest.mark.parametrize(
    ("more_us", "expected"),
    [
        ([50.0] * (ROUNDS_AT_LEAST - 1), False),
        ([50.0] * ROUNDS_AT_LEAST, True),
        ([50.0, 60.0] * ROUNDS_AT_LEAST, False),
        ([50.0, 52.0] * ROUNDS_AT_LEAST, True),
    ],
)
def test_it_is_exact_when_every_interval_is_narrower_than_a_per_cent(
    more_us: list[float], expected: bool
) -> None:
    """Of 1,000 us: 10 us; the unobserved load needs no interval."""
    assert result(more_us).is_exact is expected


def test_the_time_of_a_scrape_is_that_of_the_exporter_alone() -> None:
    """Beside other observers a scrape has no time of its own; 20 us of 1,000 operations, by 2 scrapes."""
    turns = {
        mode.name: [
            replace(
                turn(speed=1.0, server_us=620 if mode.exporter else 600), scrapes=2 * mode.exporter
            )
        ]
        * 5
        for mode in MODES
    }
    plan = OverheadPlan(seconds=5, rounds=5, minutes=20, rate=200, processes=2, connections=8)
    table = costs(Result(plan=plan, modes=MODES, turns=turns))
    names = list(table.columns[0].cells)
    [per_scrape] = [list(one.cells) for one in table.columns if one.header == "µs/scrape"]
    assert dict(zip(names, per_scrape, strict=True)) == {
        mode.name: "10,000" if mode.name == "exporter" else "" for mode in MODES
    }


def test_a_turn_is_per_operation() -> None:
    """CPU time of the load, of backends and of the server's other processes; bytes; memory is a gauge."""

    def reading(second: int) -> Usage:
        return Usage(
            backends_s=0.1 * second, background_s=0.02 * second, memory_mb=150.0 + second,
            wal_bytes=1000.0 * second, log_bytes=100.0, entries=10 * second, text_bytes=70,
        )  # fmt: skip

    done = Done(
        operations=100, errors=0, seconds=2.0, start_delays=[], durations=[0.001] * 99 + [0.5],
        cpu_seconds=0.05, statements=250,
    )  # fmt: skip
    found = turn_of([done], reading(1), reading(3), sent_bytes=400, client_mb=55, scrapes=2)
    assert (found.operations_per_s, found.statements) == (50, 2.5)
    assert found.client_us == pytest.approx(500)
    assert (found.backends_us, found.background_us) == pytest.approx((2000, 400))
    assert (found.server_us, found.cpu_us) == pytest.approx((2400, 2900))
    assert (found.wal_bytes, found.log_bytes, found.sent_bytes) == (20, 0, 4)
    assert (found.server_mb, found.entries, found.scrapes) == (153, 30, 2)
    assert found.p50_ms == pytest.approx(1.0)


def test_a_person_reads_every_figure() -> None:
    screen = Console(file=io.StringIO(), width=200)
    screen.print(tables(result([50.0, 51.0, 52.0, 50.0])))
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "embedded agent, not Datadog's" in text
    assert "pg_stat_statements and auto_explain loaded" in text
    assert "scraped every 5 s" in text
    line = next(one for one in text.splitlines() if one.startswith("tracing "))
    assert line.split()[:7] == ["tracing", "+7.2%", "+7.0%", "to", "+7.5%", "+50.8", "+100.0"]
    assert "at 200 operations/s" in text
    assert "Not every interval" not in text
    screen.print(tables(result([50.0, 90.0, 52.0, 50.0])))
    assert "Not every interval" in screen.file.getvalue()  # type: ignore[attr-defined]


def test_the_document_has_every_turn() -> None:
    """So that the figures can be recomputed."""
    document = result([50.0]).to_json()
    found = document["modes"]
    assert isinstance(found, dict)
    assert list(found) == [mode.name for mode in MODES]
    assert found[UNOBSERVED.name]["cost"] is None
    assert found[TRACING.name]["cost"]["cpu_us"]["verdict"] == "unknown"
    assert len(found[TRACING.name]["turns"]) == 1
    assert (document["rounds"], document["is_exact"]) == (1, False)


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
