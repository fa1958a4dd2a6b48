"""A drill that is interrupted at any line of its runner: the fault is healed and no longer remembered."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from lab.drills import healing, interruption, runner, running
from lab.drills.drill import Drill, Proof
from lab.drills.runner import Options, run
from lab.drills.running import DrillFiles
from lab.drills.scene import Scene
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from tests.fix_postgres import Database
from tests.fix_reporter import RecordedReporter

FILES = frozenset(module.__file__ for module in (healing, interruption, runner, running))


class Fault:
    """A fault that is there or is not; its drill needs PostgreSQL for the heal only."""

    def __init__(self) -> None:
        self.is_there = False
        self.drill = Drill(
            name="deadlocks", title="a fault", hypothesis="", acts_as="", inject=self.inject,
            prove=lambda _: Proof(holds=self.is_there, says="by the flag"), heal=self.heal, duration_s=0,
            runbook="",
        )  # fmt: skip

    def inject(self, _: Scene) -> None:
        self.is_there = True

    def heal(self, _: Scene) -> None:
        self.is_there = False


@contextmanager
def signals_at_line(number: int) -> Iterator["list[str]"]:
    """Send this process SIGINT when the runner's code comes to its line `number`; yields where that was."""
    lines, places = count(), []

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line" and next(lines) == number:
            places.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
            os.kill(os.getpid(), signal.SIGINT)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield places
    finally:
        sys.settrace(before)


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> LabSettings:
    return database.settings.model_copy(update={"lab_state_dir": tmp_path / "state"})


def test_a_drill_is_healed_at_whatever_line_it_is_interrupted(settings: LabSettings) -> None:
    """Also between the memo and the injection, at the first line of the heal, and within the heal."""
    place, interrupted, ignored = DrillFiles(Paths.of(settings)), 0, []
    for number in count():
        fault = Fault()
        try:
            with signals_at_line(number) as places:
                run(
                    fault.drill,
                    settings,
                    options=Options(verify=False),
                    reporter=RecordedReporter(),
                )
        except KeyboardInterrupt:
            interrupted += 1
        else:
            ignored += places
        assert not fault.is_there, places
        assert place.read() is None, places
        if not places:
            break
    assert ignored == []
    assert interrupted > 60


def test_a_second_signal_does_not_end_the_heal(settings: LabSettings) -> None:
    """Who presses Ctrl-C again, or closes the terminal, waits for the heal too."""
    fault, signals = Fault(), (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    held: list[str] = []

    def heal(scene: Scene) -> None:
        for number in signals:
            signal.raise_signal(number)
        held.append("healed")
        fault.heal(scene)

    object.__setattr__(fault.drill, "heal", heal)
    object.__setattr__(fault.drill, "prove", lambda _: signal.raise_signal(signal.SIGTERM))
    before = [signal.getsignal(number) for number in signals]
    with pytest.raises(KeyboardInterrupt):
        run(fault.drill, settings, options=Options(verify=False), reporter=RecordedReporter())
    assert held == ["healed"]
    assert not fault.is_there
    assert [signal.getsignal(number) for number in signals] == before
