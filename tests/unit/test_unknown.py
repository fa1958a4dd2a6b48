"""Unknown is a state of its own: in verify, the drill's runner and page, doctor, compare and status."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from lab import cli, verify
from lab.clients.services import ServiceClient, ServiceUnreachableError
from lab.compare.comparison import Comparison
from lab.console.pages.drills import _line
from lab.drills import runner
from lab.drills.journal import Journal, Step
from lab.drills.quiet import Watch
from lab.drills.running import DrillFiles
from lab.foundation.errors import DatabaseUnreachableError
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.judge.evidence import Observer
from lab.stack.native.examination import examine
from lab.stack.native.records import Record
from lab.stack.status import State
from lab.verify import quiescence
from lab.verify.report import Report, compare, unknown
from tests.fix_postgres import free_port, settings_for
from tests.fix_reporter import RecordedReporter
from tests.unit.test_drills import assessment

GOOD = compare("balances", expected=0, actual=0)
BAD = compare("payments", expected=0, actual=3)
NO_DATA = unknown("services", "Not running, so not counted: credit-risk.")
REPORTS = {
    "ok": Report(checks=[GOOD]),
    "failed": Report(checks=[GOOD, BAD, NO_DATA]),
    "unknown": Report(checks=[GOOD, NO_DATA]),
}


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    """Settings of a lab that does not run, on ports where nothing listens."""
    ports = {name: free_port() for name in LabSettings.model_fields if name.endswith("_port")}
    base = settings_for(port=1, database="creditdb")
    return base.model_copy(update={"lab_state_dir": tmp_path, **ports})


@pytest.mark.parametrize(("result", "status"), [("ok", 0), ("failed", 1), ("unknown", 2)])
def test_verify_has_three_exit_statuses(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: LabSettings,
    result: str,
    status: int,
) -> None:
    """Unknown ends with 2 and says why, in the table and in JSON."""
    monkeypatch.setenv("LAB_STATE_DIR", str(settings.lab_state_dir))
    monkeypatch.setattr(verify, "run", lambda *_, **__: REPORTS[result])
    with pytest.raises(SystemExit) as shown:
        cli.app.main(["verify"])
    assert shown.value.code == status
    assert ("credit-risk" in capsys.readouterr().out) == (result != "ok")
    with pytest.raises(SystemExit) as printed:
        cli.app.main(["verify", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (printed.value.code, document["result"]) == (status, result)
    assert document["ok"] is {"ok": True, "failed": False, "unknown": None}[result]
    assert document["why_unknown"] == (
        [] if result == "ok" else ["services: Not running, so not counted: credit-risk."]
    )


def test_without_postgresql_everything_is_unknown(settings: LabSettings) -> None:
    """Nothing was compared, and the reason is in the report."""
    report = verify.run(settings, window_s=0.01)
    assert report.outcome is Outcome.UNKNOWN
    assert "invariants: No PostgreSQL answers" in report.why_unknown[0]


def raising(*_: object, **__: object) -> Report:
    """Stand for a verify that breaks."""
    raise DatabaseUnreachableError("No PostgreSQL answers")


@pytest.mark.parametrize(
    ("verifies", "outcome", "says"),
    [
        (lambda *_, **__: REPORTS["ok"], Outcome.OK, "totals match the database"),
        (lambda *_, **__: REPORTS["unknown"], Outcome.UNKNOWN, "unknown: services: Not running"),
        (lambda *_, **__: REPORTS["failed"], Outcome.FAILED, "failed: payments; unknown: services"),
        (raising, Outcome.UNKNOWN, "unknown: verify: No PostgreSQL answers"),
    ],
)
def test_the_runner_reports_matching_totals_only_when_they_were_compared(
    monkeypatch: pytest.MonkeyPatch,
    settings: LabSettings,
    verifies: object,
    outcome: Outcome,
    says: str,
) -> None:
    """Report, journal, page, run and JSON all have the same three values."""
    monkeypatch.setattr(verify, "run", verifies)
    reported, place = RecordedReporter(), DrillFiles(Paths.of(settings))
    done = runner._verified(assessment().run, settings, place, reported)
    assert done.outcome is outcome
    assert reported.ends[0].startswith(f"verify {says}")
    assert ("match" in reported.ends[0]) == (outcome is Outcome.OK)
    [entry] = Journal(place.journal).entries()
    line = _line(entry.at_ns, entry.step, entry.detail)
    assert line.detail.startswith(says)
    assert line.bad == (outcome is not Outcome.OK)
    document = replace(assessment(), run=done).to_json()
    assert (document["ok"], document["result"]) == (outcome.ok, outcome.value)
    assert says.rsplit(": ", maxsplit=1)[-1] in document["run"]["verify_says"]


def test_a_line_that_an_older_lab_left_is_not_taken_for_a_match() -> None:
    """Older journals hold `ok: null` without words."""
    line = _line(0, Step.VERIFIED, '{"ok":null,"bad":[]}')
    assert (line.detail, line.bad) == ("unknown", True)
    assert _line(0, Step.VERIFIED, "{}").bad
    assert _line(0, Step.VERIFIED, '{"ok":true,"bad":[]}').detail == "totals match the database"


def test_a_run_that_was_not_verified_is_as_good_as_its_proof() -> None:
    """Not asked is not unknown."""
    run = assessment().run
    assert run.outcome is Outcome.OK
    assert replace(run, held=False, verified=Outcome.UNKNOWN).outcome is Outcome.FAILED


def test_an_observer_without_data_makes_a_watch_unknown() -> None:
    watch = Watch(since_ns=0, until_ns=1, stretches=1, drills=22, alarms=(), unheard={}, stolen=0.0)
    assert watch.outcome is Outcome.OK
    deaf = replace(watch, unheard={Observer.LOG: "no line"})
    assert deaf.outcome is Outcome.UNKNOWN
    assert deaf.to_json()["ok"] is None


def test_a_comparison_without_one_of_its_sides_is_unknown() -> None:
    found = Comparison(
        since_s=1.0, datadog="", rows=(), costs=(), costs_since_s=1.0, absent=("no Prometheus",)
    )
    assert found.outcome.exit_status == 2
    assert found.to_json()["result"] == "unknown"
    assert replace(found, absent=()).outcome is Outcome.UNKNOWN


def test_a_component_whose_supervisor_does_not_answer_is_unknown(settings: LabSettings) -> None:
    """supervisord lives and is silent: whether it holds the component up cannot be found out."""
    paths = Paths.of(settings)
    paths.run.mkdir()
    for component in ("supervisord", "risk"):
        Record.of_this_process(component, version="9", address="x").write(paths.run)
    found = examine(settings)
    states = {component.name: component.state for component in found.components}
    assert (states["risk"], states["postgres"]) == (State.UNKNOWN, State.STOPPED)
    assert found.why_unknown == ("risk: it runs, but supervisord does not answer",)
    only = replace(found, components=tuple(c for c in found.components if c.name == "risk"))
    assert (only.outcome, only.to_json()["ready"]) == (Outcome.UNKNOWN, None)
    assert psutil.pid_exists(os.getpid())


@dataclass
class Service:
    """A stand-in for a service's HTTP side: counts what it was asked, and refuses some of it."""

    client: ServiceClient
    refuses: frozenset[str]
    asked: list[str] = field(default_factory=list)


@contextmanager
def service(name: str, *refuses: str) -> Iterator[Service]:
    """Serve one; `refuses` are paths that it answers with status 500."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            made.asked.append(self.path)
            self.send_response(500 if self.path in made.refuses else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    client = ServiceClient(name=name, address=f"127.0.0.1:{server.server_address[1]}")
    made = Service(client=client, refuses=frozenset(refuses))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_one_failed_resume_neither_skips_the_others_nor_hides_the_first_error() -> None:
    """The second service cannot be paused, the first not resumed: the third is resumed all the same."""
    with (
        service("proposals", "/resume") as one,
        service("risk", "/pause") as two,
        service("servicing") as three,
    ):
        clients = [s.client for s in (one, two, three)]
        with (
            pytest.raises(
                ServiceUnreachableError, match="credit-risk answers POST /pause"
            ) as reported,
            quiescence.quiescent(clients, None),  # type: ignore[arg-type]
        ):
            pass
    assert "credit-proposals could not be resumed" in reported.value.__notes__[0]
    assert [s.asked[-1] for s in (one, two, three)] == ["/resume"] * 3


def test_a_service_that_stays_paused_is_named_when_nothing_else_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quiescence, "_await_no_sessions", lambda _: None)
    monkeypatch.setattr(quiescence, "_read", lambda *_: "the moment")
    with (
        service("proposals", "/resume") as one,
        service("risk") as two,
        pytest.raises(quiescence.NotResumedError, match="credit-proposals could not"),
        quiescence.quiescent([one.client, two.client], None) as moment,  # type: ignore[arg-type]
    ):
        assert moment == "the moment"  # type: ignore[comparison-overlap]
    assert two.asked == ["/pause", "/resume"]


def test_something_else_at_a_services_port_is_no_traceback() -> None:
    """Another program's answer is worded, not decoded."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>another program")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = ServiceClient(name="risk", address=f"127.0.0.1:{server.server_address[1]}")
        try:
            for ask in (client.health, client.samples):
                with pytest.raises(
                    ServiceUnreachableError, match="Another program than credit-risk answers"
                ):
                    ask()
        finally:
            server.shutdown()
            thread.join()
