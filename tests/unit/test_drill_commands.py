"""`./creditlab drill` where no lab runs: the catalogue, the report of earlier runs, what cannot be done."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from lab.drills.assessment import Assessment
from lab.drills.catalogue import DRILLS
from lab.drills.runner import Run
from lab.drills.running import DrillFiles
from lab.foundation.paths import Paths
from lab.judge.evidence import Observer
from lab.judge.readings import Seen
from lab.judge.verdicts import AlertTimes, Depth, Verdict
from lab.terminal import screen
from lab.terminal.options import seconds
from tests.fix_machine import Machine
from tests.fix_postgres import free_port

Call = Callable[..., int]
WIDE = 240
NS = 1_000_000_000


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    """A terminal in which no line is folded, on a machine without an engine."""
    del machine
    # The console of the command line is made once, by whichever test came first.
    monkeypatch.setattr(screen.out, "width", WIDE)
    # Whatever else runs on this machine is not asked.
    for port in ("POSTGRES_PORT", "PROMETHEUS_PORT", "CONSOLE_PORT"):
        monkeypatch.setenv(port, str(free_port()))
    monkeypatch.delenv("DD_API_KEY", raising=False)


@pytest.mark.parametrize(
    ("text", "expected"), [("60s", 60.0), ("2m", 120.0), ("1h", 3600.0), ("1.5m", 90.0), ("7", 7.0)]
)
def test_a_duration_as_people_write_it(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["0", "0s", "-1s", "1d", "s", "", "1 m"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="60s, 5m or 1h"):
        seconds(text)


def test_the_list_names_every_drill_and_its_alerts(
    call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("drill", "list", "--json") == 0
    listed = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert listed.keys() == DRILLS.keys()
    assert listed["deadlocks"]["alerts"] == list(DRILLS["deadlocks"].alerts)
    assert call("drill", "list") == 0
    out = capsys.readouterr().out
    for drill in DRILLS.values():
        [line] = [line for line in out.splitlines() if line.split()[:1] == [drill.name]]
        assert drill.title in line
        assert f"{drill.duration_s:g} s" in line
        assert all(alias in line for alias in drill.aliases)


def test_a_drills_description_says_who_can_see_what(
    call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each observer's signals, or that it does not cover the fault; alerts are named, not signals."""
    assert call("drill", "show", "service-stopped") == 0
    out = capsys.readouterr().out
    assert "scrapes that fail, by service" in out
    assert "must fire" in out
    assert "ServiceDown" in out
    assert "docs/alerts.md#servicedown" in out
    lines = {line.strip().split("  ")[0]: line for line in out.splitlines()}
    assert "not covered" in lines["PostgreSQL log"]
    assert "not covered" not in lines["Prometheus metrics"]
    assert "Prometheus alerts" not in lines


def test_an_unknown_drill_is_refused_with_what_is_near(
    call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("drill", "show", "deadloks") == 2
    assert "deadlocks" in capsys.readouterr().err


def kept(machine: Machine, drill: str, *, injected_ns: int, after_s: float | None) -> Assessment:
    """A run that was judged earlier: DBM saw it after some seconds, or no observer did."""
    seen = Seen.MISSED if after_s is None else Seen.SEEN
    verdicts = tuple(
        Verdict(
            observer=observer,
            seen=seen if observer is Observer.DBM else Seen.UNKNOWN,
            after_s=after_s if observer is Observer.DBM else None,
            depths=(Depth.DETECTED, Depth.STATEMENT, Depth.PLAN)
            if observer is Observer.DBM and after_s is not None
            else (),
            says=("of this machine",),
            alerts=(AlertTimes(name="Deadlocks", pending_s=1.0, firing_s=None),)
            if observer is Observer.ALERTS
            else (),
        )
        for observer in Observer
    )
    run = Run(
        run=f"{drill}-{injected_ns}",
        drill=drill,
        intensity=1.0,
        injected_ns=injected_ns,
        proven_ns=injected_ns + NS,
        proof="it was there",
        pids=(7,),
        held=True,
        healed_ns=injected_ns + 60 * NS,
    )
    assessment = Assessment(run=run, verdicts=verdicts, other_alerts=())
    runs = DrillFiles(Paths.of(machine.settings)).runs
    runs.mkdir(parents=True, exist_ok=True)
    (runs / f"{run.run}.json").write_bytes(assessment.encoded())
    return assessment


def test_the_report_shows_the_newest_run_of_each_drill(
    machine: Machine, call: Call, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Verdicts with their seconds and depths, as a table, as Markdown, as JSON and as a page."""
    kept(machine, "deadlocks", injected_ns=1_000 * NS, after_s=None)
    kept(machine, "deadlocks", injected_ns=2_000 * NS, after_s=12.4)
    kept(machine, "burst", injected_ns=3_000 * NS, after_s=None)
    page = tmp_path / "report.html"
    assert call("drill", "report", "--json", "--html", str(page)) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["run"]["run"] for row in rows] == [f"deadlocks-{2_000 * NS}", f"burst-{3_000 * NS}"]
    [dbm] = [v for v in rows[0]["verdicts"] if v["observer"] == "datadog_dbm"]
    assert (dbm["seen"], dbm["after_s"]) == ("seen", 12.4)
    assert "deadlocks" in page.read_text(encoding="utf-8")
    assert call("drill", "report") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.split()}
    assert "12 SP" in lines["deadlocks"]
    assert "○" in lines["burst"]
    assert lines["burst"].count("?") == len(Observer) - 1
    assert call("drill", "report", "--markdown") == 0
    assert "| deadlocks |" in capsys.readouterr().out.replace("`", "")


def test_a_report_that_is_judged_again_knows_nothing_where_nothing_answers(
    machine: Machine, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was seen before is unknown now: neither Prometheus nor a store is there to show it."""
    kept(machine, "deadlocks", injected_ns=2_000 * NS, after_s=12.4)
    assert call("drill", "report", "--again", "--json") == 0
    [row] = json.loads(capsys.readouterr().out)["rows"]
    assert {verdict["seen"] for verdict in row["verdicts"]} == {"unknown"}
    says = {verdict["observer"]: verdict["says"][0] for verdict in row["verdicts"]}
    assert "Prometheus does not answer" in says["prometheus_metrics"]
    assert "no store" in says["datadog_apm"]


def test_stop_where_no_drill_runs(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("drill", "stop") == 0
    assert "No drill is running" in capsys.readouterr().out


def test_a_drill_needs_a_lab(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, the command that starts one, and nothing remembered."""
    assert call("drill", "run", "deadlocks") == 2
    assert "./creditlab up" in capsys.readouterr().err
