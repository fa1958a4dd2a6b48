"""`up` of a native lab whose supervisord the test plays: what is started, stopped, written and undone.

PostgreSQL is real; every other component is a web server in this process, which answers its probe.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from supervisor.states import ProcessStates

from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.seed import SeedReport
from lab.stack.backend import UpResult
from lab.stack.component import Component
from lab.stack.components import COMPONENTS, SERVICES
from lab.stack.native import alertmanager, starting
from lab.stack.native.supervision import SupervisedProcess, Supervisor
from lab.stack.up_options import UpOptions
from tests.fix_postgres import Database, free_port
from tests.fix_reporter import RecordedReporter
from workload.http_server import serve

SELECTED = ("risk", "proposals")
WANTED = ("postgres", *(n for n in SERVICES if n in SELECTED), "postgres_exporter", "prometheus",
          "datadog", "console")  # fmt: skip
KNOWN = UpOptions(services=("servicing",), load=7.0, prepared=True)


class Played:
    """A supervisord: the states of its processes, and the requests to it."""

    def __init__(self, **states: int) -> None:
        self.states: dict[str, int] = dict.fromkeys(COMPONENTS, ProcessStates.RUNNING) | states
        self.pids = dict.fromkeys(COMPONENTS, 100)
        self.started: list[str] = []
        self.stopped: list[tuple[str, ...]] = []

    def processes(self) -> dict[str, SupervisedProcess]:
        return {
            name: SupervisedProcess(state=state, pid=self.pids[name], failure="")
            for name, state in self.states.items()
        }

    def start_component(self, name: str) -> None:
        self.started.append(name)
        self.states[name] = ProcessStates.RUNNING

    def stop_components(self, components: Sequence[Component]) -> None:
        self.stopped.append(tuple(component.name for component in components))


@dataclass
class Web:
    """The components' pages; `loads` has each load that was set, by port's order."""

    port: int
    loads: list[float] = field(default_factory=list)
    refuses: float | None = None

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        status, body = "200 OK", b"# HELP\npg_up 1\n"
        if environ["PATH_INFO"] == "/healthz":
            body = json.dumps({"load": 1.5, "limited": bool(self.loads)}).encode()
        if environ["PATH_INFO"] == "/load":
            load = float(environ["wsgi.input"].read())
            self.loads.append(load)
            if load == self.refuses and len(self.loads) > 1:
                status = "503 Service Unavailable"
        start(status, [("Content-Length", str(len(body)))])
        return [body]


@pytest.fixture
def web() -> Web:
    web = Web(port=free_port())
    serve(web, address="127.0.0.1", port=web.port, setting="X")
    return web


@pytest.fixture
def settings(
    database: Database, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LabSettings:
    monkeypatch.setattr(alertmanager, "present", lambda: False)
    # The ports of missing components are free: the web server answers once they were started.
    monkeypatch.setattr(starting, "require_free", lambda *_: None)
    ports = {component.port: web.port for component in COMPONENTS.values()}
    return database.settings.model_copy(
        update={
            **ports, "postgres_port": database.port, "lab_state_dir": tmp_path, "datadog_agent": "embedded",
            "startup_timeout_s": 30,
        }
    )  # fmt: skip


Begin = Callable[..., starting._Start]


@pytest.fixture
def begin(settings: LabSettings) -> Begin:
    """Begins an `up` with the selected services, and with the scale of the data in the database."""

    def one(played: Played, *, scale: str = "1", fails: bool = False) -> starting._Start:
        def seed(*_: object) -> SeedReport:
            if fails:
                raise LabError("the seed is refused")
            return SeedReport(
                scale=Decimal(scale), random_seed=1, loaded=False, rows=0, seconds=1.0
            )

        Paths.of(settings).logs.mkdir()
        return starting._Start(
            settings, UpOptions(services=SELECTED), cast("Supervisor", played), RecordedReporter(), seed,
            required=set(),
        )  # fmt: skip

    return one


def ends(start: starting._Start) -> list[str]:
    return [end.split()[0] for end in cast("RecordedReporter", start.reporter).ends]


def kept(settings: LabSettings) -> UpOptions | None:
    return UpOptions.read(Paths.of(settings).up_options)


def test_a_running_lab_is_completed(begin: Begin, settings: LabSettings) -> None:
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
    options = kept(settings)
    assert options is not None
    assert (options.services, options.prepared) == (SELECTED, True)
    targets = Paths.of(settings).prometheus / "etc" / "targets" / "workload.json"
    assert [group["labels"]["service"] for group in json.loads(targets.read_text())] == [
        "credit-risk", "credit-proposals"
    ]  # fmt: skip


def test_a_complete_lab_is_left_as_it_is(begin: Begin, web: Web) -> None:
    """Nothing is started, and no load is set without the option."""
    played = Played()
    outcome = begin(played).complete(UpOptions(), KNOWN)
    assert (outcome.started, played.started, web.loads) == ((), [], [])


def test_a_failure_stops_what_was_started_and_restores_the_options(
    begin: Begin, settings: LabSettings
) -> None:
    played = Played(risk=ProcessStates.STOPPED)
    with pytest.raises(LabError, match="the seed is refused"):
        begin(played, fails=True).complete(UpOptions(), KNOWN)
    assert played.stopped[1:] == [("risk",)]
    assert kept(settings) == KNOWN


def test_the_scale_of_the_data_counts(begin: Begin, settings: LabSettings) -> None:
    """When the options are lost, or belong to other data."""
    start = begin(Played(), scale="0.5")
    start.complete(UpOptions(), KNOWN)
    options = kept(settings)
    assert options is not None
    assert (options.scale, options.settings["seed_scale"]) == (0.5, 0.5)
    assert start.settings.seed_scale == 0.5


def test_a_load_is_set_for_the_services_that_run(begin: Begin, web: Web) -> None:
    """With a note where an engine is at its limit; zero is a load, and is limited by none."""
    start = begin(Played())
    start.complete(UpOptions(load=9.0), KNOWN)
    assert web.loads == [9.0, 9.0]
    reporter = cast("RecordedReporter", start.reporter)
    assert reporter.ends[-1] == (
        "load 9 times the rates of the settings; proposals, risk at the maximum, 20,000 arrivals/s"
    )
    start._set_load(0.0)
    assert reporter.ends[-1] == "load 0 times the rates of the settings"


def test_a_load_that_one_service_refuses_is_taken_back(begin: Begin, web: Web) -> None:
    web.refuses = 9.0
    with pytest.raises(LabError, match="503"):
        begin(Played()).complete(UpOptions(load=9.0), KNOWN)
    assert web.loads == [9.0, 9.0, 1.5, 1.5]


@pytest.mark.parametrize(
    ("lines", "shown"), [(0, ["(empty)"]), (9, [f"line {n}" for n in range(2, 10)])]
)
def test_a_component_that_ends_is_reported_with_the_end_of_its_log(
    begin: Begin, settings: LabSettings, lines: int, shown: list[str]
) -> None:  # fmt: skip
    """At once when supervisord gave up, else after three starts."""
    played = Played(risk=ProcessStates.FATAL)
    start = begin(played)
    log = Paths.of(settings).log("risk")
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


def test_other_settings_than_those_of_the_running_lab_are_noted(settings: LabSettings) -> None:
    options = UpOptions().with_settings(settings)
    assert starting._notes(options, settings) == ()
    changed = settings.model_copy(update={"risk_port": 1, "workload_threads": 9})
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
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch, *, answers: bool, prepared: bool,
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
    UpOptions(scale=2.0, load=3.0, prepared=prepared).write(Paths.of(settings).up_options)
    reporter = RecordedReporter()
    found = starting.up(settings, UpOptions(scale=0.5), reporter=reporter, seed=cast("Any", None))
    if completes:
        assert called == [("complete", {"seed_scale"})]
        assert found.started == ()
    else:
        assert called == ["ended", ("from nothing", True)]
        assert reporter.ends == [
            "leftovers stopped processes of an incomplete start; starting again"
        ]
