"""`bench tracing`: its modes, its figures per span, and the parts of a profile."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from lab.bench.load.profile import DRIVER, OTHER, part_of, sampled
from lab.bench.overhead.figures import Turn
from lab.bench.overhead.measure import OverheadPlan, Result
from lab.bench.tracing.command import bytes_per_span, document, tables
from lab.bench.tracing.modes import FLOOR, FULL, MODES, OFF, PROPAGATION, RULES

TURN = Turn(
    operations_per_s=1000, statements=3, p50_ms=2, p99_ms=9, client_us=300, backends_us=500,
    background_us=100, wal_bytes=50, log_bytes=0, sent_bytes=2000, server_mb=200, client_mb=60,
    entries=40, text_bytes=9000,
)  # fmt: skip


@pytest.fixture
def result() -> Result:
    """Each traced mode costs 90 us per statement; the engine has 0.96 of the traced driver's rate."""
    traced = replace(TURN, operations_per_s=480, client_us=570)
    turns = {mode.name: [traced] * 4 for mode in MODES}
    turns[OFF.name] = [replace(TURN, sent_bytes=0)] * 4
    turns[FLOOR.name] = [replace(traced, operations_per_s=500)] * 4
    plan = OverheadPlan(seconds=3, rounds=4, minutes=20, rate=None, processes=1, connections=8)
    profiles = {OFF.name: {DRIVER: 280.0, OTHER: 20.0}, FULL.name: {DRIVER: 300.0, "spans": 200.0}}
    return Result(plan=plan, modes=MODES, turns=turns, profiles=profiles)


def test_the_modes_differ_in_what_they_set() -> None:
    """Off is not traced; the floor is traced as full is; each other mode has its own processes."""
    assert not OFF.tracing
    assert all(mode.tracing for mode in MODES[1:])
    assert {mode.environment.get(PROPAGATION) for mode in MODES[1:]} == {
        "disabled", "service", "full",
    }  # fmt: skip
    assert FLOOR.environment == FULL.environment
    assert [FLOOR.bare, FULL.bare] == [True, False]
    assert sum(RULES in mode.environment for mode in MODES) == 3
    assert len({mode.load for mode in MODES}) == len(MODES)


def test_figures_are_per_statement_and_per_span(result: Result) -> None:
    """An operation of three statements has four spans."""
    assert bytes_per_span(TURN, 3) == 500
    assert document(result)["of_floor"] == pytest.approx(0.96)
    screen = Console(file=io.StringIO(), width=200)
    screen.print(tables(result))
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    off = next(line for line in text.splitlines() if line.startswith("off "))
    full = next(line for line in text.splitlines() if line.startswith("full "))
    assert off.split() == ["off", "1,000/s", "9.0", "ms", "100", "200", "40", "9.0"]
    assert full.split()[:4] == ["full", "0.48", "1.00", "+90.0"]
    assert full.split()[-3:] == ["500", "40", "9.0"]
    assert "full / driver, full: 0.96 of its rate" in text
    assert ["spans", "200"] in [line.split() for line in text.splitlines()]
    assert "at saturation" in text


@pytest.mark.parametrize(
    ("frames", "part"),
    [
        ([("a/ddtrace/contrib/dbapi.py", "s.set_tags(extra_tags)")], "cursor wrapper"),
        ([("a/ddtrace/contrib/dbapi.py", "    return method(*args, **kwargs)")], DRIVER),
        ([("a/ddtrace/_trace/span.py", "x"), ("a/ddtrace/contrib/dbapi.py", "x")], "spans"),
        ([("a/ddtrace/internal/writer/writer.py", "x"), ("a/ddtrace/_trace/span.py", "x")], "encoding"),
        ([("urllib/parse.py", "x"), ("a/ddtrace/vendor/sqlcommenter/__init__.py", "x")], "comment injection"),
        ([("a/workload/database.py", "        cursor.execute(statement.sql, parameters)")], DRIVER),
        ([("a/workload/runner.py", "x")], OTHER),
        ([], OTHER),
    ],
)  # fmt: skip
def test_a_sample_belongs_to_the_innermost_frame_of_a_part(
    frames: list[tuple[str, str]], part: str
) -> None:
    assert part_of(iter(frames)) == part


def test_a_profile_has_a_sample_for_each_millisecond_of_cpu_time() -> None:
    """Until it has some; afterwards the timer is off."""
    with sampled() as found:
        while found.total() < 3:
            pass
    total = found.total()
    sum(range(100_000))
    assert found.total() == total
