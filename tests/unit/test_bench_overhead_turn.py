"""A turn of `bench overhead`: the agent works in its own modes alone, and figures are of the load's parts."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from lab.bench.overhead import measure
from lab.bench.overhead.measure import OverheadPlan
from lab.bench.overhead.modes import MODES, Mode
from lab.bench.overhead.observers import Sink
from lab.bench.overhead.usage import Usage
from tests.fix_postgres import settings_for

PLAN = OverheadPlan(seconds=2, rounds=1, minutes=1, rate=50, processes=2, connections=8)
READING = Usage(
    backends_s=1, background_s=1, memory_mb=1, wal_bytes=1, log_bytes=1, entries=1, text_bytes=1
)


class Recorder:
    """Stands for the agent, the exporter and both loads; records the requests to them."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def part(self, name: str) -> Any:
        def noted(call: str) -> Any:
            return lambda *_, **__: self.calls.append(f"{name} {call}")

        return SimpleNamespace(**{call: noted(call) for call in ("freeze", "thaw", "require")})

    def load(self, name: str) -> Any:
        def timed(_: object, *, seconds: float, rate: float, seed: int) -> list[Any]:
            self.calls.append(f"{name} {seconds:g} s at {rate:g}/s, seed {seed}")
            durations = [n / 1000 for n in range(1, 100)]
            part = SimpleNamespace(
                durations=durations, operations=100, seconds=2.0, cpu_seconds=0.003, statements=30
            )
            return [part, part]

        return SimpleNamespace(timed=timed, resident_mb=60.0)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()

    @contextmanager
    def scraped(_: object, *, every_s: float) -> Iterator[list[int]]:
        recorder.calls.append(f"scrape every {every_s:g} s")
        yield [1000]

    def set_auto_explain(_: object, *, on: bool) -> None:
        recorder.calls.append(f"auto_explain {on}")

    monkeypatch.setattr(measure, "scraped", scraped)
    monkeypatch.setattr(measure, "set_auto_explain", set_auto_explain)
    monkeypatch.setattr(measure, "SETTLE_S", 0)
    monkeypatch.setattr(measure, "usage", lambda _: READING)
    monkeypatch.setattr(measure, "_reset_statements", lambda _: None)
    return recorder


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_only_what_the_mode_names_observes_its_turn(mode: Mode, recorder: Recorder) -> None:
    """The agent is frozen again when the turn ends; both observers must still be there."""
    site = measure._Site(
        settings=settings_for(port=1, database="none"),
        agent=recorder.part("agent"),
        exporter=recorder.part("exporter"),
        sink=Sink(port=1, lengths=[]),
        loads={one.load: recorder.load("traced" if one.tracing else "untraced") for one in MODES},
    )
    turn = site.turn(mode, PLAN, 3)
    assert recorder.calls == [
        f"auto_explain {mode.auto_explain}",
        *(["agent thaw"] if mode.agent else []),
        *([f"scrape every {PLAN.scrape_every_s:g} s"] if mode.exporter else []),
        f"{'traced' if mode.tracing else 'untraced'} 2 s at 50/s, seed 3",
        *(["agent freeze"] if mode.agent else []),
        "agent require",
        "exporter require",
    ]
    assert turn.operations_per_s == 100.0
    assert (turn.client_us, turn.statements) == pytest.approx((30.0, 0.3))
    assert (turn.p50_ms, turn.p99_ms) == pytest.approx((50, 99), abs=0.6)
    assert turn.sent_bytes == (5 if mode.exporter else 0)
    assert turn.scrapes == (1 if mode.exporter else 0)
