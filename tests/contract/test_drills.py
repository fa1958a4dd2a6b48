"""The drills against the alerts, the runbooks, the statements and docs/drills.md."""

import re

import pytest
import yaml

from lab.drills.catalogue import DRILLS, find
from lab.drills.drill import Drill
from lab.drills.errors import UnknownDrillError
from lab.foundation.settings import ROOT
from lab.judge.evidence import TITLES, Observer
from workload.statements import STATEMENTS

RULES = yaml.safe_load((ROOT / "prometheus" / "rules" / "alerts.yml").read_text(encoding="utf-8"))
RULE_NAMES = {rule["alert"] for group in RULES["groups"] for rule in group["rules"]}
RUNBOOKS = set(
    re.findall(
        r"^## (\w+)$", (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8"), re.MULTILINE
    )
)
PAGE = (ROOT / "docs" / "drills.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| `([a-z-]+)`(?: \(([^)]+)\))? \| [^|]+ \| ([^|]*) \| (\d+) s \|$", re.MULTILINE
)

# Alerts that no drill fires, and why. To be shortened, never to be lengthened without a reason.
NOT_FIRED = {
    "WraparoundNear": "500 million transactions without a freeze take days, or a damaged cluster",
    "MultixactNear": "600 million multixacts take days, or a damaged cluster",
    "Watchdog": "it always fires",
    "RuleEvaluationFails": "a rule that fails would be a defect of the lab's own rules",
    "TargetsMissing": "the files of the targets are the lab's own",
    "LabTargetDown": "a drill needs the console for its evidence, and a real Agent is no target",
    "DatabaseRestarted": "postgres-restart ends with the restart, and is judged 25 s later",
    "InvalidIndex": "tests/integration/test_exporter.py makes one; a drill would wait for a failed build",
    "CallSurge": "the load of a drill is bounded below five times the default",
    "WorkloadErrorsContinue": "half an hour of failures",
    "WorkloadLateContinues": "half an hour of late starts",
}


def test_every_alert_is_fired_by_a_drill_or_openly_by_none() -> None:
    fired = {alert for drill in DRILLS.values() for alert in drill.alerts}
    assert fired | NOT_FIRED.keys() == RULE_NAMES
    assert not fired & NOT_FIRED.keys()


@pytest.mark.parametrize("drill", DRILLS.values(), ids=lambda drill: drill.name)
def test_a_drill_leads_to_a_runbook_and_blames_statements_that_exist(drill: Drill) -> None:
    """Its runbook is a heading of docs/alerts.md; what is at fault is its own or the workload's."""
    assert drill.runbook in RUNBOOKS
    assert drill.statements <= drill.sql.keys() | STATEMENTS.keys()
    assert drill.services <= {"credit-drill"} | {s.service for s in STATEMENTS.values()}


@pytest.mark.parametrize("drill", DRILLS.values(), ids=lambda drill: drill.name)
def test_a_signal_does_not_name_the_statement_at_fault(drill: Drill) -> None:
    """No signal queries the culprit by name: the observer has to show it by itself."""
    for signal in drill.signals:
        asked = getattr(signal, "expr", "")
        assert not any(f'"{name}"' in asked for name in drill.statements | {"credit-drill"}), asked


def test_the_five_drills_of_the_first_lab_keep_their_names() -> None:
    names = ("blocking", "deadlock", "seq scan", "slow query", "CPU")
    found = [find(name).name for name in names]
    assert found == [
        "row-lock-chain",
        "deadlocks",
        "sequential-scans",
        "slow-query",
        "cpu-bound-sql",
    ]
    assert not DRILLS.aliases.keys() & DRILLS.keys()


def test_an_unknown_drill_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        UnknownDrillError, match='There is no drill "deadlok"; did you mean deadlock'
    ):
        find("deadlok")


def test_the_page_lists_every_drill_with_its_alerts() -> None:
    """docs/drills.md in the order of the catalogue: name, aliases, alerts that must fire, duration."""
    listed = [
        (name, aliases, alerts.strip(), float(lasts))
        for name, aliases, alerts, lasts in ROW.findall(PAGE)
    ]
    assert listed == [
        (d.name, ", ".join(d.aliases), ", ".join(d.alerts) or "none", d.duration_s)
        for d in DRILLS.values()
    ]


def test_every_observer_has_a_title() -> None:
    assert TITLES.keys() == set(Observer)
