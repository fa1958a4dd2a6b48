"""What the benchmarks print: every figure in its column, and which figures are called good."""

import io
from collections.abc import Sequence

import pytest
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from lab.bench import console, intake, pages, seed
from lab.bench.load import command as load
from lab.bench.load.job import Saturated
from lab.bench.load.measure import (
    ARRANGEMENTS,
    CONTESTANTS,
    FLOOR,
    PGBENCH,
    PROCESSES,
    THREADS,
    TRACED,
    LoadPlan,
    Result,
    Saturation,
    StartDelays,
    saturation,
)
from lab.bench.load.scenarios import SCENARIOS
from lab.bench.load.services import RateRun
from lab.foundation.processors import MAX_STOLEN, Shares


def lines(printed: RenderableType) -> list[list[str]]:
    """Return the words of each line that is printed."""
    screen = Console(file=io.StringIO(), width=240)
    screen.print(printed)
    text: str = screen.file.getvalue()  # type: ignore[attr-defined]
    return [
        words
        for line in text.splitlines()
        if (words := line.replace("│", " ").replace("┃", " ").split())
    ]


def row(printed: RenderableType, *first: str) -> list[str]:
    """Return what follows some words at the begin of a line."""
    [found] = [words for words in lines(printed) if words[: len(first)] == list(first)]
    return found[len(first) :]


def test_seeding_beside_pgbench() -> None:
    """Rows per second of each; the ratio is the seed's to pgbench's."""
    result = seed.Result(
        scale=0.5,
        seed=seed.Loading(rows=300_000, seconds=4.0),
        pgbench=seed.Loading(rows=100_011, seconds=0.5),
    )
    assert result.ratio == pytest.approx(75_000 / 200_022)
    assert result.to_json() == {
        "scale": 0.5,
        "seed_rows": 300_000, "seed_seconds": 4.0, "seed_rows_per_second": 75_000.0,
        "pgbench_rows": 100_011, "pgbench_seconds": 0.5, "pgbench_rows_per_second": 200_022.0,
        "ratio": result.ratio,
    }  # fmt: skip
    table = seed._table(result)
    assert row(table, "seed") == ["300,000", "4.0", "75,000"]
    assert row(table, "pgbench", "-i") == ["100,011", "0.5", "200,022"]
    assert row(table, "ratio") == ["0.37"]
    assert ["Loading", "at", "scale", "0.5"] in lines(table)


def test_the_consoles_intake() -> None:
    table = intake._table(
        intake.Result(
            spans=1_000, spans_per_s=2_000.4, spans_per_cpu_s=3_000.0,
            log_lines=100, log_lines_per_s=4_000.0, log_lines_per_cpu_s=5_000.0, rss_mb=61.4,
            peak_rss_mb=80.4, span_bytes=251.2,
        )
    )  # fmt: skip
    assert row(table, "spans") == ["1,000", "2,000", "3,000"]
    assert row(table, "log", "lines") == ["100", "4,000", "5,000"]
    text = " ".join(word for words in lines(table) for word in words)
    assert "The console on one core, 61 MB (peak 80 MB); 251 bytes per span" in text


def test_the_consoles_pages() -> None:
    page = pages.Timing(
        page="/traces",
        label="/traces",
        cpu_s=0.01,
        median_s=0.01234,
        slowest_s=0.2,
        size_bytes=12_345,
    )
    table = pages._table(
        pages.Result(spans=1_000_000, store_bytes=534_000_000, rss_mb=99.6, pages=(page,))
    )
    assert row(table, "/traces") == ["0.012", "0.200", "12"]
    assert "1,000,000 spans (534 MB); console 100 MB" in " ".join(
        word for words in lines(table) for word in words
    )


def turn(rate: float, p99: float, *, dropped: int = 0, errors: int = 0) -> console.Turn:
    return console.Turn(
        operation_rate=rate,
        start_delay_p50=p99 / 4,
        start_delay_p99=p99,
        dropped=dropped,
        errors=errors,
    )


def test_ratios_of_a_console_that_is_away_are_to_the_same_round() -> None:
    """A machine that gets slower is no fault of the console; figures are medians, failures are sums."""
    on = [turn(100, 0.010), turn(50, 0.020), turn(20, 0.050)]
    away = [
        turn(90, 0.020, dropped=1),
        turn(45, 0.040, errors=2),
        turn(18, 0.100, dropped=3, errors=1),
    ]
    state = console._state(away, on)
    assert state.rate_ratio == pytest.approx(0.9)
    assert state.p99_ratio == pytest.approx(2.0)
    assert (state.typical.dropped, state.typical.errors) == (4, 3)
    table = console._table({"killed": state}, 2.0)
    assert row(table, "killed") == ["45.0", "0.900", "10.00", "40.0", "2.00", "4", "3"]


def contestants(tps: Sequence[float]) -> Saturation:
    """Three rounds, of which the second is on a machine half as fast."""
    return saturation(
        [
            {
                name: Saturated(tps=speed * one, cpu_us=1e6 / one)
                for name, one in zip(CONTESTANTS, tps, strict=True)
            }
            for speed in (1.0, 0.5, 1.0)
        ]
    )


# pgbench; driver and engine with threads, with processes, traced.
RATES = (1000, 840, 800, 750, 720, 400, 390)


def load_result(**services: object) -> Result:
    """All targets are met by default: 0.95 of the driver's rate, and no start delay."""
    held = {
        "asked_rate": 200.0, "arrival_rate": 200.0, "operation_rate": 190.0, "dropped": 0, "errors": 3,
        "start_delay_p99": 0.0499, "processors": Shares(busy=0.5, stolen=MAX_STOLEN / 2),
    }  # fmt: skip
    return Result(
        plan=LoadPlan(seconds=2, rounds=3, connections=8, rate=500.0),
        saturation={one.name: contestants(RATES) for one in SCENARIOS},
        start_delays=StartDelays(
            p50_ms={PGBENCH: 0.5, PROCESSES: 0.75}, p99_ms={PGBENCH: 2.0, PROCESSES: 2.0}, ratio=1.0
        ),
        services=RateRun(**{**held, **services}),  # type: ignore[arg-type]
    )


def styles(table: Table, number: int) -> list[str]:
    """Return how the judged cells of a row are written."""
    cells = [list(column.cells)[number] for column in table.columns]
    return [str(cell.style) for cell in cells if isinstance(cell, Text)]


def test_what_the_engine_does_at_saturation() -> None:
    """The better arrangement and the traced one are judged, by their ratio to the driver in the same one."""
    result = load_result()
    table = load._saturation(result)
    assert row(table, PGBENCH) == ["1,000", "1.00"] * len(SCENARIOS)
    assert row(table, THREADS) == ["800", "0.80", "0.95", "1,250"] * len(SCENARIOS)
    assert row(table, "driver,", THREADS) == ["840", "0.84", "1,190"] * len(SCENARIOS)
    assert row(table, TRACED) == ["390", "0.39", "0.97", "2,564"] * len(SCENARIOS)
    green = ["green"] * len(SCENARIOS)
    assert [styles(table, n) for n in range(len(CONTESTANTS))] == [[], [], green, [], [], [], green]
    slow = contestants((1000, 840, 700, 900, 799, 400, 390))
    assert slow.best == PROCESSES
    judged = load._cells(slow, PROCESSES)[2]
    assert isinstance(judged, Text)
    assert str(judged.style) == "bold red"
    assert load._cells(slow, THREADS) == ("700", "0.70", "0.83", "1,429")
    assert set(CONTESTANTS) == {PGBENCH, TRACED, *ARRANGEMENTS, *FLOOR.values()}


def test_a_rate_of_the_engine_is_compared_within_its_round() -> None:
    """A machine that gets slower changes no ratio; CPU per operation is the median of the rounds."""
    found = contestants(RATES)
    assert found.of_driver[THREADS] == pytest.approx(800 / 840)
    assert found.ratios[TRACED] == pytest.approx(0.39)
    assert found.tps[THREADS] == 800
    assert found.cpu_us[FLOOR[TRACED]] == pytest.approx(2500)
    assert PGBENCH not in found.cpu_us


def test_the_engines_start_delay_beside_pgbenchs() -> None:
    """As much as pgbench's is still good."""
    table = load._start_delays(load_result())
    assert row(table, "p50") == ["0.50", "0.75"]
    assert row(table, "p99") == ["2.00", "2.00", "1.00"]
    assert styles(table, 1) == ["green"]
    assert "At 500 operations/s" in " ".join(lines(table)[0])


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ({}, ["green", "green", "green"]),
        ({"operation_rate": 189.0}, ["bold red", "green", "green"]),
        ({"dropped": 1}, ["bold red", "green", "green"]),
        ({"start_delay_p99": 0.05}, ["green", "bold red", "green"]),
        ({"processors": Shares(busy=0.5, stolen=MAX_STOLEN)}, ["green", "green", "bold red"]),
    ],
)
def test_services_that_keep_up_are_called_good(
    services: dict[str, object], expected: list[str]
) -> None:
    """95 % of the rate, nothing dropped, a start delay below 50 ms, and a host that takes no time."""
    assert styles(load._services(load_result(**services)), 0) == expected


def test_the_services_figures() -> None:
    table = load._services(load_result())
    found = [words for words in lines(table) if words[0] == "190"]
    assert found == [["190", "0", "3", "49.9", "50%", f"{MAX_STOLEN / 2:.0%}"]]
    text = " ".join(" ".join(words) for words in lines(load._tables(load_result())))
    assert "8 connections each; medians of 3 rounds, turns of 2 s" in text


def test_the_document_holds_the_mix_and_every_scenario() -> None:
    document = load_result().to_json()
    assert {name: document[name] for name in ("engine", "engine_tps", "pgbench_tps", "ratio")} == {
        "engine": THREADS, "engine_tps": 800, "pgbench_tps": 1000, "ratio": 0.8,
    }  # fmt: skip
    assert (document["driver_ratio"], document["engine_traced_tps"]) == (0.84, 390)
    assert document["engine_of_driver"] == pytest.approx(800 / 840)
    assert document["traced_of_driver"] == pytest.approx(0.975)
    assert (document["lateness_p99_ms"], document["pgbench_lateness_p99_ms"]) == (2.0, 2.0)
    assert (document["lateness_ratio"], document["rounds"]) == (1.0, 3)
    assert set(document["scenarios"]) == {one.name for one in SCENARIOS}  # type: ignore[call-overload]
