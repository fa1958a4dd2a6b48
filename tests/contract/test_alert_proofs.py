"""docs/alerts.md: by which fault each alert is proven, beside the drills, the rules and the tests."""

import re

import yaml

from lab.drills.catalogue import DRILLS
from lab.foundation.settings import ROOT

ALERTS = [
    rule["alert"]
    for group in yaml.safe_load((ROOT / "prometheus/rules/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
TEXT = (ROOT / "docs/alerts.md").read_text(encoding="utf-8")
[SECTION] = re.findall(r"\n## How each alert is proven\n(.*?)\n## ", TEXT, re.DOTALL)
PROOFS = dict(re.findall(r"^\| (\w+) \| (.+) \|$", SECTION, re.MULTILINE))
PROOFS.pop("alert")


def test_every_alert_is_listed_once_in_the_order_of_the_rules() -> None:
    assert re.findall(r"^\| (\w+) \|", SECTION, re.MULTILINE) == ["alert", *ALERTS]


def test_an_alert_of_drills_names_all_of_them() -> None:
    of_drills = {
        alert: {drill.name for drill in DRILLS.values() if alert in drill.alerts}
        for alert in ALERTS
    }
    named = {
        alert: set(re.findall(r"`([\w-]+)`", proof)) if proof.startswith("drill ") else set()
        for alert, proof in PROOFS.items()
    }
    assert named == of_drills


def test_another_alert_names_a_test_that_expects_it_or_why_there_is_none() -> None:
    for alert, proof in PROOFS.items():
        if found := re.fullmatch(r"test `([\w./]+)`", proof):
            assert alert in (ROOT / found[1]).read_text(encoding="utf-8"), alert
        else:
            assert proof.startswith("drill ") or re.fullmatch(r"unit tests only: .{20,}", proof)


def test_every_alert_has_a_unit_test_that_fires_and_one_that_does_not() -> None:
    groups = yaml.safe_load((ROOT / "prometheus/tests/alerts.yml").read_text())["tests"]
    tests = [test for group in groups for test in group.get("alert_rule_test", [])]
    fires = {test["alertname"] for test in tests if test.get("exp_alerts")}
    silent = {test["alertname"] for test in tests if not test.get("exp_alerts")}
    assert fires == set(ALERTS)
    # Watchdog always fires.
    assert silent >= set(ALERTS) - {"Watchdog"}
