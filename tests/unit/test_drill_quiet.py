"""`./creditlab drill quiet` and `drill random` as commands, with minutes that take a tenth of a second."""

import json
import random
from collections.abc import Callable, Sequence

import pytest

from lab.clients.prometheus import Alert
from lab.drills import quiet, runs
from lab.drills.assessment import BEFORE_NS
from lab.drills.catalogue import DRILLS
from lab.drills.drill import Drill
from lab.drills.journal import Journal, Step
from lab.drills.runner import Options
from lab.drills.running import DrillFiles
from lab.drills.runs import DrillSeries
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.judge.evidence import Evidence, Observer
from lab.stack.native.records import Record
from lab.terminal import screen
from tests.fix_machine import Machine
from tests.fix_postgres import free_port

Call = Callable[..., int]
MS, NS = 1_000_000, 1_000_000_000
MINUTE_NS, SETTLES_NS, FORGOTTEN_NS = 100 * MS, 20 * MS, 300 * MS


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "STRETCH_NS", MINUTE_NS)
    monkeypatch.setattr(quiet, "SETTLES_NS", SETTLES_NS)
    monkeypatch.setattr(quiet, "FORGOTTEN_NS", FORGOTTEN_NS)
    monkeypatch.setattr(screen.out, "width", 240)
    for port in ("POSTGRES_PORT", "PROMETHEUS_PORT", "CONSOLE_PORT"):
        monkeypatch.setenv(port, str(free_port()))
    monkeypatch.delenv("DD_API_KEY", raising=False)


class Observers:
    """Evidence in place of what observers hold: each had data until now; `fired` may name alerts."""

    def __init__(self, *fired: str) -> None:
        self.fired = fired
        self.asked: list[tuple[int, int]] = []

    def collect(
        self, _settings: LabSettings, _signals: object, *, since_ns: int, until_ns: int
    ) -> Evidence:
        self.asked.append((since_ns, until_ns))
        at_ns = until_ns - SETTLES_NS - MINUTE_NS // 2
        alerts = tuple(
            Alert(name=name, labels={"service": "risk"}, pending_ns=at_ns, firing_ns=at_ns)
            for name in self.fired
        )
        return Evidence(
            since_ns=since_ns,
            until_ns=until_ns,
            last_data_ns=dict.fromkeys(Observer, until_ns),
            alerts=alerts,
        )


@pytest.fixture
def place(machine: Machine) -> DrillFiles:
    return DrillFiles(Paths.of(machine.settings))


def test_without_data_nothing_is_known(
    machine: Machine, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, and the reason for each observer."""
    del machine
    assert call("drill", "quiet", "--for", "0.1s", "--json") == 2
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["result"]) == (None, "unknown")
    assert set(found["unheard"]) == set(Observer)
    assert (found["stretches"], found["drills"]) == (1, len(DRILLS))
    assert call("drill", "quiet", "--for", "0.1s") == 2
    assert capsys.readouterr().out.count("had no data:") == len(Observer)


def test_minutes_follow_each_other_and_each_is_judged_with_what_surrounds_it(
    machine: Machine,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing fires and every observer has data: exit status 0."""
    del machine
    observers = Observers()
    monkeypatch.setattr(quiet, "collect", observers.collect)
    assert call("drill", "quiet", "--for", "0.3s", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["alarms"], found["unheard"]) == (True, [], {})
    assert found["until_ns"] - found["since_ns"] == 3 * MINUTE_NS
    assert observers.asked == [
        (begin - BEFORE_NS, begin + MINUTE_NS + SETTLES_NS)
        for begin in range(found["since_ns"], found["until_ns"], MINUTE_NS)
    ]
    assert 0 <= found["stolen"] < 1


def test_an_alert_in_a_lab_without_a_fault_is_a_false_positive(
    machine: Machine,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit status 1; an alert that fires in both minutes is one alarm, with both counted."""
    del machine
    monkeypatch.setattr(quiet, "collect", Observers("ServiceDown").collect)
    assert call("drill", "quiet", "--for", "0.2s", "--json") == 1
    [alarm] = json.loads(capsys.readouterr().out)["alarms"]
    assert (alarm["what"], alarm["observer"], alarm["stretches"]) == (
        "ServiceDown",
        Observer.ALERTS,
        2,
    )
    assert alarm["says"] == "fired within the window service=risk"
    assert call("drill", "quiet", "--for", "0.1s") == 1
    assert "ServiceDown" in capsys.readouterr().out


def test_minutes_begin_when_the_last_heal_is_forgotten(
    place: DrillFiles,
    monkeypatch: pytest.MonkeyPatch,
    call: Call,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(quiet, "collect", Observers().collect)
    healed_ns = Journal(place.journal).write("r", "burst", Step.HEALED)
    assert call("drill", "quiet", "--for", "0.1s", "--json") == 0
    assert json.loads(capsys.readouterr().out)["since_ns"] >= healed_ns + FORGOTTEN_NS


def test_minutes_begin_after_the_start_of_the_lab(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    call: Call,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A record of the future is not waited for longer than one that was written now."""
    monkeypatch.setattr(quiet, "collect", Observers().collect)
    machine.runs_natively()
    now_ns = clock.now_ns()
    record = Record.read(machine.settings.lab_state_dir / "run", "risk")
    assert record
    changed = Record(
        component="risk", pid=record.pid, created=now_ns / NS + 3600, version="1", address="none"
    )
    changed.write(machine.settings.lab_state_dir / "run")
    assert call("drill", "quiet", "--for", "0.1s", "--json") == 0
    since_ns = json.loads(capsys.readouterr().out)["since_ns"]
    assert now_ns + FORGOTTEN_NS <= since_ns < now_ns + 3000 * NS


def test_drills_are_drawn_at_random_by_the_seed(
    machine: Machine, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until one fails: the same seed draws the same ones, each at the requested intensity."""
    del machine
    drawn: list[tuple[str, float]] = []

    def run(
        drills: Sequence[Drill], _: LabSettings, *, options: Options, reporter: object
    ) -> DrillSeries:
        del reporter
        drawn.extend((drill.name, options.intensity) for drill in drills)
        if len(drawn) == 4:
            raise LabError("The fault could not be healed.")
        return DrillSeries(assessments=(), failed=())

    monkeypatch.setattr(runs, "to_verdicts", run)
    assert call("drill", "random", "--seed", "3", "--every", "0.01s", "--intensity", "0.5") == 2
    chosen = random.Random(3)
    expected = [chosen.choice(list(DRILLS.values())).name for _ in range(4)]
    assert drawn == [(name, 0.5) for name in expected]
