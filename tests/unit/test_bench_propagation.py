"""`bench propagation`: what counts as linked, how cells are paired, and what is printed."""

import io
import json
from dataclasses import asdict

import pytest
import typer
from rich.console import Console

from lab.bench.overhead.ratios import Verdict
from lab.bench.propagation import packages
from lab.bench.propagation.cells import (
    ASYNCPG,
    DIRECT,
    DISABLED,
    DRIVERS,
    FULL,
    MARK,
    MODES,
    PGBOUNCER,
    ROUTES,
    Cell,
    Done,
    SqlSpan,
    cells,
)
from lab.bench.propagation.command import tables
from lab.bench.propagation.linking import Linked, executions, linked
from lab.bench.propagation.measure import Row, Seen, Turn, ratios, turn, typical
from lab.foundation.errors import LabError
from lab.terminal.options import chosen

TRACE = "6b020ce3000000000123456789abcdef"


def text(span_id: str) -> str:
    return (
        f"/*dddbs='postgres',ddps='bench',traceparent='00-{TRACE}-{span_id}-01'*/ SELECT 1 {MARK}"
    )


def span(span_id: str, *, injected: bool = True) -> SqlSpan:
    return SqlSpan(span_id=span_id, injected=injected)


def test_an_execution_is_linked_to_a_span_that_was_sent() -> None:
    """Four executions: with the ids of its span, of another, with the service, and with nothing."""
    ours, others = "00000000000000a1", "00000000000000b2"
    texts = [text(ours), text(others), f"/*ddps='bench'*/ SELECT 1 {MARK}", f"SELECT 1 {MARK}"]
    spans = [span(ours), span("00000000000000c3", injected=False), span("00000000000000d4")]
    assert linked(texts, spans) == Linked(to_span=0.25, to_service=0.75, claimed=0.5)


def test_a_prepared_statement_that_keeps_its_first_ids_links_one_execution() -> None:
    """Its text is that of its first execution, with the ids of the first span."""
    ids = [f"{number:016x}" for number in range(1, 5)]
    assert linked([text(ids[0])] * 4, [span(one) for one in ids]).to_span == 0.25


def test_executions_are_counted_in_both_protocols() -> None:
    """`parse` and `bind` are steps of an execution; plans and other statements are not counted."""
    messages = [
        f"duration: 0.1 ms  statement: {text('1' * 16)}",
        f"duration: 0.2 ms  parse _pg3_0: SELECT 1 {MARK}",
        f"duration: 0.2 ms  bind _pg3_0: SELECT 1 {MARK}",
        f"duration: 0.2 ms  execute _pg3_0: SELECT 1 {MARK}",
        f"duration: 0.2 ms  execute <unnamed>: SELECT\n 1 {MARK}",
        f"duration: 0.2 ms  plan:\nQuery Text: SELECT 1 {MARK}",
        "duration: 0.2 ms  statement: SELECT 1",
    ]
    log = [json.dumps({"message": message}).encode() + b"\n" for message in messages]
    assert list(executions(log)) == [
        text("1" * 16), f"SELECT 1 {MARK}", f"SELECT\n 1 {MARK}",
    ]  # fmt: skip


def test_a_round_has_every_combination_once() -> None:
    found = list(cells(DRIVERS, ROUTES))
    assert len(set(found)) == len(found) == len(DRIVERS) * len(ROUTES) * len(MODES)
    assert [one.mode for one in found[:3]] == list(MODES)


def a_turn(figure: float) -> Turn:
    return Turn(
        p50_ms=figure, p99_ms=2 * figure, client_cpu_us=3 * figure, server_cpu_us=4 * figure
    )


def test_ratios_are_to_no_propagation_in_the_same_round() -> None:
    """A round on a slow machine has the same ratio; of the reference itself there is none."""
    full = Cell(driver=ASYNCPG, route=DIRECT, mode=FULL)
    reference = Cell(driver=ASYNCPG, route=DIRECT, mode=DISABLED)
    elsewhere = Cell(driver=ASYNCPG, route=PGBOUNCER, mode=DISABLED)
    turns = {
        reference: [a_turn(figure) for figure in (1.0, 10.0, 2.0, 4.0)],
        full: [a_turn(1.5 * figure) for figure in (1.0, 10.0, 2.0, 4.0)],
        elsewhere: [a_turn(99.0)] * 4,
    }
    assert ratios(reference, turns) == {}
    for estimate in ratios(full, turns).values():
        assert estimate.value == pytest.approx(1.5)
        assert estimate.verdict is Verdict.HIGHER
    assert typical(turns[reference]) == a_turn(3.0)


def test_a_turn_divides_by_its_executions() -> None:
    found = turn(Done(latencies_s=[0.001] * 200, cpu_s=0.02, spans=[]), 40_000_000)
    expected = {"p50_ms": 1.0, "p99_ms": 1.0, "client_cpu_us": 100.0, "server_cpu_us": 200.0}
    assert asdict(found) == pytest.approx(expected)


def test_both_tables_name_the_cell_and_show_its_figures() -> None:
    cell = Cell(driver=ASYNCPG, route=DIRECT, mode=FULL)
    seen = Seen(
        linked=Linked(to_span=0.0, to_service=0.25, claimed=1.0),
        entries=2,
        text_bytes=385,
        plans_reused=0.5,
    )
    turns = {
        cell: [a_turn(2.0)] * 4,
        Cell(driver=ASYNCPG, route=DIRECT, mode=DISABLED): [a_turn(1.0)] * 4,
    }
    row = Row(cell=cell, typical=a_turn(2.0), ratios=ratios(cell, turns), seen=seen)
    screen = Console(file=io.StringIO(), width=200)
    screen.print(tables([row], 4, 600))
    lines = [line.split() for line in screen.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert ["asyncpg", "direct", "full", "0%", "100%", "25%", "50%", "2", "385"] in lines
    ratio = ["2.00", "(2.00", "to", "2.00)"]
    assert ["asyncpg", "direct", "full", "4.00", "6", "8", *ratio * 3] in lines


def test_drivers_are_selected_by_name() -> None:
    assert chosen(None, "--drivers", "driver", DRIVERS) == DRIVERS
    assert chosen("sqlalchemy, asyncpg", "--drivers", "driver", DRIVERS) == ("SQLAlchemy", ASYNCPG)
    with pytest.raises(
        typer.BadParameter, match=r"no driver 'pg8000'; expected psycopg2, psycopg 3"
    ):
        chosen("pg8000", "--drivers", "driver", DRIVERS)


def test_drivers_that_cannot_be_installed_are_reported_with_the_command(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left that a later run would take for complete."""
    place = tmp_path_factory.mktemp("drivers")
    lock = place / "lock.txt"
    lock.write_text(f"no-such-package-of-the-lab==1 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(packages, "LOCK", lock)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for _ in range(2):
        with pytest.raises(
            LabError, match=r"no-such-package(.|\n)*-m pip install (.|\n)*--require-hashes"
        ):
            packages.drivers(lambda _: None, directory=place / "installed")
