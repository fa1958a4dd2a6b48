"""`up` of a native lab whose supervisord the test plays: what is started, stopped, written and undone."""

import json
from contextlib import nullcontext
from typing import Any, cast

import pytest
from supervisor.states import ProcessStates

from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.backend import UpResult
from lab.stack.components import COMPONENTS
from lab.stack.native import starting
from lab.stack.native.supervision import Supervisor
from lab.stack.up_options import UpOptions
from tests.fix_reporter import RecordedReporter
from tests.fix_starting import KNOWN, SELECTED, WANTED, Begin, Pages, Played, ends, kept


def test_a_running_lab_is_completed(begin: Begin, startable: LabSettings) -> None:
    """Failing and missing components are started in their order, those that are not selected are stopped."""
    played = Played(
        risk=ProcessStates.FATAL, console=ProcessStates.STOPPED, proposals=ProcessStates.BACKOFF
    )
    start = begin(played)
    assert tuple(component.name for component in start.wanted) == WANTED
    outcome = start.complete(UpOptions(), KNOWN)
    assert outcome.started == ("proposals", "risk", "console")
    assert played.started == ["proposals", "risk", "console"]
    [stopped] = played.stopped
    unselected = set(COMPONENTS) - set(WANTED)
    assert (set(stopped[:2]), set(stopped[2:])) == ({"risk", "proposals"}, unselected)
    assert ends(start) == ["data", "proposals", "risk", "console"]
    options = kept(startable)
    assert options is not None
    assert (options.services, options.prepared) == (SELECTED, True)
    targets = Paths.of(startable).prometheus / "etc" / "targets" / "workload.json"
    assert [group["labels"]["service"] for group in json.loads(targets.read_text())] == [
        "credit-risk", "credit-proposals"
    ]  # fmt: skip


def test_a_complete_lab_is_left_as_it_is(begin: Begin, pages: Pages) -> None:
    """Nothing is started, and no load is set without the option."""
    played = Played()
    outcome = begin(played).complete(UpOptions(), KNOWN)
    assert (outcome.started, played.started, pages.loads) == ((), [], [])


def test_a_failure_stops_what_was_started_and_restores_the_options(
    begin: Begin, startable: LabSettings
) -> None:
    played = Played(risk=ProcessStates.STOPPED)
    with pytest.raises(LabError, match="the seed is refused"):
        begin(played, fails=True).complete(UpOptions(), KNOWN)
    assert played.stopped[1:] == [("risk",)]
    assert kept(startable) == KNOWN


def test_the_scale_of_the_data_counts(begin: Begin, startable: LabSettings) -> None:
    """When the options are lost, or belong to other data."""
    start = begin(Played(), scale="0.5")
    start.complete(UpOptions(), KNOWN)
    options = kept(startable)
    assert options is not None
    assert (options.scale, options.settings["seed_scale"]) == (0.5, 0.5)
    assert start.settings.seed_scale == 0.5


def test_a_load_is_set_for_the_services_that_run(begin: Begin, pages: Pages) -> None:
    """With a note where an engine is at its limit; zero is a load, and is limited by none."""
    start = begin(Played())
    start.complete(UpOptions(load=9.0), KNOWN)
    assert pages.loads == [9.0, 9.0]
    reporter = cast("RecordedReporter", start.reporter)
    assert reporter.ends[-1] == (
        "load 9 times the rates of the settings; proposals, risk at the maximum, 20,000 arrivals/s"
    )
    start._set_load(0.0)
    assert reporter.ends[-1] == "load 0 times the rates of the settings"


def test_a_load_that_one_service_refuses_is_taken_back(begin: Begin, pages: Pages) -> None:
    pages.refuses = 9.0
    with pytest.raises(LabError, match="503"):
        begin(Played()).complete(UpOptions(load=9.0), KNOWN)
    assert pages.loads == [9.0, 9.0, 1.5, 1.5]


@pytest.mark.parametrize(
    ("lines", "shown"), [(0, ["(empty)"]), (9, [f"line {n}" for n in range(2, 10)])]
)
def test_a_component_that_ends_is_reported_with_the_end_of_its_log(
    begin: Begin, startable: LabSettings, lines: int, shown: list[str]
) -> None:  # fmt: skip
    """At once when supervisord gave up, else after three starts."""
    played = Played(risk=ProcessStates.FATAL)
    start = begin(played)
    log = Paths.of(startable).log("risk")
    log.write_text("".join(f"line {number + 1}\n" for number in range(lines)))
    with pytest.raises(LabError) as raised:
        start._await_state(COMPONENTS["risk"], "risk works", lambda: "nothing")
    assert str(raised.value).splitlines() == [
        "risk ended 1 times; expected: risk works.",
        f"The end of {log}:",
        *(f"  {line}" for line in shown),
    ]
    played.states["risk"] = ProcessStates.RUNNING

    def again() -> str:
        played.pids["risk"] += 1
        return "nothing"

    with pytest.raises(LabError, match="risk ended 3 times; expected: risk works"):
        start._await_state(COMPONENTS["risk"], "risk works", again)


def test_other_settings_than_those_of_the_running_lab_are_noted(startable: LabSettings) -> None:
    options = UpOptions().with_settings(startable)
    assert starting._notes(options, startable) == ()
    changed = startable.model_copy(update={"risk_port": 1, "workload_threads": 9})
    assert starting._notes(options, changed) == (
        (
            "The running lab has other values of RISK_PORT, WORKLOAD_THREADS;"
            " `./creditlab restart` applies yours."
        ),
    )


@pytest.mark.parametrize(
    ("answers", "prepared", "completes"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_a_lab_is_completed_only_when_it_runs_and_was_prepared(
    startable: LabSettings, monkeypatch: pytest.MonkeyPatch, *, answers: bool, prepared: bool,
    completes: bool,
) -> None:  # fmt: skip
    """Else processes of an incomplete start are ended, and all is started again."""
    called: list[Any] = []

    def completed(start: starting._Start, *_: object) -> UpResult:
        called.append(("complete", start.required))
        return UpResult(started=())

    def begun(start: starting._Start, *_: object) -> UpResult:
        called.append(("from nothing", "seed_scale" in start.required))
        return UpResult(started=("x",))

    def ended(*_: object) -> bool:
        called.append("ended")
        return True

    monkeypatch.setattr(starting._Start, "complete", completed)
    monkeypatch.setattr(starting._Start, "from_nothing", begun)
    monkeypatch.setattr(Supervisor, "answers", lambda _: answers)
    monkeypatch.setattr(starting, "end_processes", ended)
    monkeypatch.setattr(starting, "held", lambda _: nullcontext())
    UpOptions(scale=2.0, load=3.0, prepared=prepared).write(Paths.of(startable).up_options)
    reporter = RecordedReporter()
    found = starting.up(startable, UpOptions(scale=0.5), reporter=reporter, seed=cast("Any", None))
    if completes:
        assert called == [("complete", {"seed_scale"})]
        assert found.started == ()
    else:
        assert called == ["ended", ("from nothing", True)]
        assert reporter.ends == [
            "leftovers stopped processes of an incomplete start; starting again"
        ]
