"""Pages of drills: the state of a running one, what an observer covers, runbooks, links to evidence."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from lab.console.pages import drills, evidence, runbook
from lab.drilldown import Drilldown
from lab.drills.catalogue import DRILLS
from lab.drills.coverage import is_covered
from lab.drills.history import Past
from lab.drills.journal import Entry, Step
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_MS as MS
from lab.foundation.timestamps import NS_PER_S, moment
from lab.judge.evidence import Observer
from tests import evidence as of
from tests.fix_store import Store

NOW_NS = 1_800_000_000 * NS_PER_S
SECTIONS = runbook.sections(runbook.RUNBOOKS.read_text(encoding="utf-8"))


def past(*steps: tuple[Step, float, Mapping[str, object]]) -> Past:
    return Past(
        steps=tuple(
            Entry(
                at_ns=NOW_NS - round(ago_s * NS_PER_S), run="0" * 12, drill="deadlocks", step=step,
                detail=json.dumps(detail),
            )
            for step, ago_s, detail in steps
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ([], "injected, waiting for the proof"),
        ([(Step.PROVEN, 8.0, {})], "running, 12 s left"),
        ([(Step.PROVEN, 25.0, {})], "running, 0 s left"),
        ([(Step.PROVEN, 81.0, {})], "not healed; ./creditlab drill stop heals it"),
        ([(Step.PROVEN, 20.0, {}), (Step.HEAL, 1.0, {})], "healing"),
    ],
)
def test_a_running_drill_shows_the_seconds_that_are_left(
    steps: list[tuple[Step, float, Mapping[str, object]]],
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the duration of this run; of a runner that did not write it, by the drill's own."""
    monkeypatch.setattr("lab.foundation.clock.now_ns", lambda: NOW_NS)
    begun = (Step.INJECT, 30.0, {"intensity": 1.0, "duration_s": 20.0})
    assert drills.progress(past(begun, *steps)) == f"deadlocks: {text}"
    older = past((Step.INJECT, 30.0, {}), (Step.PROVEN, 8.0, {}))
    assert (
        drills.progress(older)
        == f"deadlocks: running, {DRILLS['deadlocks'].duration_s - 8:.0f} s left"
    )


def test_an_observer_without_a_signal_by_design_is_not_covered() -> None:
    burst, chain = DRILLS["burst"], DRILLS["row-lock-chain"]
    assert not burst.alerts
    assert not is_covered(burst, Observer.ALERTS)
    assert is_covered(chain, Observer.ALERTS)
    assert is_covered(chain, Observer.DBM)
    assert not is_covered(DRILLS["exporter-stopped"], Observer.DBM)
    assert is_covered(None, Observer.DBM)


@pytest.mark.parametrize(
    "name",
    sorted({d.runbook for d in DRILLS.values()} | {a for d in DRILLS.values() for a in d.alerts}),
)
def test_every_runbook_that_a_page_links_to_has_a_text(name: str) -> None:
    assert [text for _, text in runbook.blocks(SECTIONS[name])]


def test_the_evidence_of_a_run_is_of_its_time_and_stored(store: Store) -> None:
    """The slowest trace, its lock wait and its plan; those whose spans are not stored are not linked."""
    stored, gone = of.statement(1, ms=400), of.statement(9, ms=900)
    store.writer.commit(
        [
            of.root(1, ms=500), stored, of.plan(stored, ms=300), of.plan(gone, ms=800),
            of.lock_wait(stored, ms=200, blocked_by=7), of.lock_wait(gone, ms=700, blocked_by=7),
        ],
        timeout_s=60,
    )  # fmt: skip
    settings = LabSettings(_env_file=None, lab_state_dir=store.path.parent)
    drilldown = replace(Drilldown.of(settings), reader=store.reader)
    since, until = moment(of.root(1).start_ns - MS), moment(stored.start_ns + NS_PER_S)
    found = evidence.links(drilldown, DRILLS["row-lock-chain"], since, until)
    paths = [link.href for link in found]
    execution = f"/traces/{stored.trace_id}/{stored.span_id}"
    assert paths[:3] == [f"/traces/{stored.trace_id}", execution, execution]
    assert not any(gone.trace_id in path for path in paths)
    metrics = [link for link in found if link.observer == "Prometheus metrics"]
    assert len(metrics) == 2
    assert all("/prometheus?expr=" in link.href and "&from=" in link.href for link in metrics)
    elsewhere = evidence.links(drilldown, None, until, until)
    assert not any("/traces/" in link.href for link in elsewhere)
