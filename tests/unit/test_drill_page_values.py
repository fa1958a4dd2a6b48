"""What the pages of drills show of a journal: the list, one run, its lines, and the fault behind a chart."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.requests import Request

from lab.console.pages import drills, faults
from lab.console.pages.chart import Band, Chart
from lab.drilldown import Drilldown, NotFoundError
from lab.drills.catalogue import DRILLS
from lab.drills.journal import Entry, Step
from lab.foundation import clock, statefile
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S, moment
from tests import evidence
from tests.evidence import START
from tests.fix_postgres import free_port, settings_for
from tests.fix_store import Store

NOW_NS = START + 60 * NS_PER_S


@pytest.fixture
def drilldown(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drilldown:
    """The drilldown over the test's store at the end of the minute; no server answers."""
    monkeypatch.setattr(clock, "now_ns", lambda: NOW_NS)
    absent: LabSettings = settings_for(port=free_port(), database="none")
    update = {"lab_state_dir": tmp_path, "prometheus_port": free_port()}
    return replace(Drilldown.of(absent.model_copy(update=update)), reader=store.reader)


def journal(
    drilldown: Drilldown, *lines: tuple[str, str, int, Step | str, Mapping[str, object]]
) -> None:
    """Write lines: run, drill, second of the minute, step, detail."""
    entries = [
        Entry(
            at_ns=START + second * NS_PER_S, run=run, drill=drill, step=str(step),
            detail=msgspec.json.encode(detail).decode(),
        )
        for run, drill, second, step, detail in lines
    ]  # fmt: skip
    path = Path(drilldown.settings.lab_state_dir) / "drills" / "journal.jsonl"
    statefile.write(path, b"".join(msgspec.json.encode(one) + b"\n" for one in entries))


def request(query: str = "", **path: str) -> Request:
    return Request(
        {"type": "http", "query_string": query.encode(), "headers": [], "path_params": path}
    )


def test_without_a_journal_every_drill_is_listed_and_none_has_run(drilldown: Drilldown) -> None:
    values: Mapping[str, Any] = drills.listed(drilldown, request()).values
    assert (values["there"], values["rows"], values["running"], values["datadog"]) == (
        False, [], [], "",
    )  # fmt: skip
    assert [(drill.name, row) for drill, row in values["catalogue"]] == [
        (name, None) for name in DRILLS
    ]
    assert values["known"] == len(DRILLS)
    with pytest.raises(NotFoundError, match="no run 0123"):
        drills.one(drilldown, request(run="0123"))


def test_the_list_has_the_latest_run_of_each_drill_or_all(drilldown: Drilldown) -> None:
    """A run that is not healed is running; one of an unknown drill is called so."""
    journal(
        drilldown,
        ("a", "deadlocks", 1, Step.INJECT, {"duration_s": 20}), ("a", "deadlocks", 3, Step.PROVEN, {}),
        ("a", "deadlocks", 9, Step.HEALED, {}),
        ("b", "burst", 10, Step.INJECT, {}), ("b", "burst", 12, Step.HEALED, {}),
        ("c", "of-tomorrow", 20, Step.INJECT, {}), ("c", "of-tomorrow", 21, Step.HEALED, {}),
        ("d", "deadlocks", 30, Step.INJECT, {"duration_s": 45}), ("d", "deadlocks", 31, Step.PROVEN, {}),
    )  # fmt: skip
    values: Mapping[str, Any] = drills.listed(drilldown, request()).values
    assert [(row.run, row.drill, row.proven) for row in values["rows"]] == [
        ("d", "deadlocks", True), ("c", "of-tomorrow", False), ("b", "burst", False),
    ]  # fmt: skip
    assert values["rows"][1].title == "unknown in this version of the lab"
    assert values["rows"][0].title == DRILLS["deadlocks"].title
    assert (values["rows"][0].healed, values["rows"][0].at) == (None, moment(START + 30 * NS_PER_S))
    assert values["rows"][2].healed == moment(START + 12 * NS_PER_S)
    assert values["running"] == ["deadlocks: running, 16 s left"]
    assert (values["there"], values["everything"]) == (True, False)
    latest = {drill.name: row.run for drill, row in values["catalogue"] if row}
    assert latest == {"deadlocks": "d", "burst": "b"}
    every: Mapping[str, Any] = drills.listed(drilldown, request("all=1")).values
    assert [row.run for row in every["rows"]] == ["d", "c", "b", "a"]
    assert every["everything"] is True


def test_a_run_has_its_steps_its_proof_and_its_load(store: Store, drilldown: Drilldown) -> None:
    """The chart begins a minute before the fault and ends a minute after it."""
    journal(
        drilldown,
        ("a", "deadlocks", 10, Step.INJECT, {"intensity": 2.5, "says": "two sessions"}),
        ("a", "deadlocks", 12, Step.PROVEN, {"says": "pg_stat_database counts it"}),
        ("a", "deadlocks", 30, Step.HEAL, {}), ("a", "deadlocks", 31, Step.HEALED, {"says": "ended"}),
        ("a", "deadlocks", 32, Step.VERIFIED, {"ok": True}), ("a", "deadlocks", 33, "another", {}),
        ("a", "deadlocks", 34, Step.VERDICT, {"datadog_dbm": "seen", "strange": "missed"}),
    )  # fmt: skip
    store.writer.commit([evidence.sample(None, at_ns=START + 20 * NS_PER_S)], timeout_s=60)
    values: Mapping[str, Any] = drills.one(drilldown, request(run="a")).values
    assert (values["proof"], values["intensity"]) == ("pg_stat_database counts it", 2.5)
    assert [(line.step, line.detail, line.bad) for line in values["lines"]] == [
        ("injected", "two sessions", False), ("proven", "pg_stat_database counts it", False),
        ("healing", "", False), ("healed", "ended", False),
        ("verified", "totals match the database", False), ("another", "", False),
        ("judged", "Datadog DBM seen; strange missed", False),
    ]  # fmt: skip
    assert (values["progress"], values["judged"], values["drill"]) == (
        None,
        None,
        DRILLS["deadlocks"],
    )
    starts = values["load"].value.starts
    assert starts[0] >= moment(START + 10 * NS_PER_S) - timedelta(minutes=1)
    assert starts[-1] < moment(START + 31 * NS_PER_S) + timedelta(minutes=1)
    assert (starts[-1] - starts[0]).total_seconds() > 130
    chart = values["load_chart"]
    assert isinstance(chart, Chart)
    [band] = chart.bands
    assert band.href == "/drills/a"
    assert values["evidence"].trouble is None


@pytest.mark.parametrize(
    ("detail", "text", "bad"),
    [
        ({"ok": True}, "totals match the database", False),
        ({"ok": False}, "failed", True),
        ({"ok": None}, "unknown", True),
        ({}, "unknown", True),
        ({"ok": 1}, "unknown", True),
        ({"ok": False, "says": "3 rows"}, "3 rows", True),
    ],
)
def test_only_a_check_that_passed_is_good(
    detail: dict[str, object], text: str, *, bad: bool
) -> None:
    line = drills._line(START, Step.VERIFIED, msgspec.json.encode(detail).decode())
    assert (line.detail, line.bad, line.step) == (text, bad, "verified")


@pytest.mark.parametrize("step", [Step.NOT_PROVEN, Step.NOT_HEALED])
def test_a_fault_that_is_not_proven_or_not_healed_is_bad(step: Step) -> None:
    assert drills._line(START, step, '{"says": "x"}').bad
    assert drills._line(START, step, "{}").detail == ""


def test_a_fault_that_is_not_proven_shows_why(drilldown: Drilldown) -> None:
    """Its run is under way until it is healed."""
    journal(
        drilldown,
        ("a", "burst", 10, Step.INJECT, {}), ("a", "burst", 12, Step.NOT_PROVEN, {"says": "no load"}),
    )  # fmt: skip
    values: Mapping[str, Any] = drills.one(drilldown, request(run="a")).values
    assert values["proof"] == "no load"
    assert values["progress"] == "burst: injected, waiting for the proof"
    assert values["row"].proven is False


def test_faults_of_a_window_are_bands_behind_its_charts(drilldown: Drilldown) -> None:
    """One that is not healed lasts to the end; one that ended at the begin is not of the window."""
    journal(
        drilldown,
        ("a", "burst", 1, Step.INJECT, {}), ("a", "burst", 10, Step.HEALED, {}),
        ("b", "deadlocks", 5, Step.INJECT, {}), ("b", "deadlocks", 20, Step.HEALED, {}),
        ("c", "burst", 30, Step.INJECT, {}), ("d", "burst", 40, Step.INJECT, {}),
    )  # fmt: skip
    since, until = moment(START + 10 * NS_PER_S), moment(START + 40 * NS_PER_S)
    start_ms = START // 1_000_000
    assert faults.bands(drilldown, since, until) == [
        Band(label="drill burst", href="/drills/c", begin_ms=start_ms + 30_000, end_ms=start_ms + 40_000),
        Band(
            label="drill deadlocks", href="/drills/b", begin_ms=start_ms + 5_000, end_ms=start_ms + 20_000
        ),
    ]  # fmt: skip
