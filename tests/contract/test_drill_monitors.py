"""Signals and monitors of drills beside their sources: datadog/monitors, the check's options, the alerts."""

import json
import re

import yaml

from grafana.generator.boards.comparison import DETECTORS
from lab.drills.catalogue import DRILLS
from lab.foundation.settings import ROOT
from lab.judge.collect_metrics import definitions
from lab.judge.evidence import TITLES, Observer
from lab.judge.metric_query import selects
from lab.judge.metric_tracks import QUERIES, REPORTED_HOST, TRACE
from lab.judge.monitor_definitions import CheckMonitor
from lab.judge.signals import Checks, Query
from lab.telemetry.intake.metric_names import KEPT_METRICS, KEPT_SERVICE_CHECKS

FOLDER = ROOT / "datadog" / "monitors"
CHECK = ROOT / "datadog" / "conf.d" / "postgres.d" / "conf.yaml"
# The monitor of this name watches the Agent, which these drills do not stop.
OTHER_MEANING = {("exporter-stopped", "ExporterBlind"), ("ddl-queue", "ExporterBlind")}
# No metric of the check has statements, or the exporter, the Agent, a service.
NOT_COVERED = {
    "slow-query", "n-plus-one", "burst", "exporter-stopped", "agent-stopped", "service-stopped",
}  # fmt: skip


def test_the_dashboard_has_a_column_for_each_observer() -> None:
    assert {observer.value: title for observer, title in TITLES.items()} == DETECTORS


def test_a_drill_has_the_monitors_of_its_alerts() -> None:
    known = {file.stem for file in FOLDER.glob("*.json")}
    for drill in DRILLS.values():
        assert set(drill.monitors) <= known, drill.name
        same = {name for name in drill.alerts if name in known}
        missing = {(drill.name, name) for name in same - set(drill.monitors)}
        assert missing <= OTHER_MEANING, drill.name


def test_every_drill_has_a_signal_of_the_check_or_is_listed_as_not_covered() -> None:
    without = {
        drill.name
        for drill in DRILLS.values()
        if not any(signal.observer is Observer.CHECK for signal in drill.signals)
    }
    assert without == NOT_COVERED


def test_the_thresholds_of_a_monitor_are_those_of_its_query() -> None:
    for name, monitor in definitions().known.items():
        thresholds = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["options"][
            "thresholds"
        ]
        critical = monitor.critical if isinstance(monitor, CheckMonitor) else monitor.threshold
        assert critical == thresholds["critical"], name


def test_every_metric_of_a_signal_is_stored_or_computed() -> None:
    signals = [signal for drill in DRILLS.values() for signal in drill.signals]
    names = {s.metric for one in signals if isinstance(one, Query) for s in selects(one.expression)}
    stored = {name for name in names if not name.startswith((QUERIES, TRACE))}
    assert stored <= set(KEPT_METRICS)
    assert {one.name for one in signals if isinstance(one, Checks)} <= KEPT_SERVICE_CHECKS


def test_a_signal_names_an_option_that_the_lab_sets() -> None:
    """`needs` is an option of the check, or the folder of another check."""
    [instance] = yaml.safe_load(CHECK.read_text(encoding="utf-8"))["instances"]
    assert instance["reported_hostname"] == REPORTED_HOST
    for drill in DRILLS.values():
        for signal in drill.signals:
            if isinstance(signal, Query) and signal.needs:
                folder = CHECK.parents[1] / signal.needs
                assert instance.get(signal.needs) or folder.is_dir(), (drill.name, signal.needs)


def test_the_document_lists_metrics_options_and_monitors_of_each_drill() -> None:
    text = (ROOT / "docs" / "drills.md").read_text(encoding="utf-8")
    section = text.split("| drill | metrics and service checks |")[1].split("\n\n")[0]
    documented = {
        cells[1].strip(" `"): [set(re.findall(r"[\w.-]+", cell)) for cell in cells[2:5]]
        for cells in (line.split("|") for line in section.splitlines() if line.startswith("| `"))
    }
    for drill in DRILLS.values():
        own = [signal for signal in drill.signals if signal.observer is Observer.CHECK]
        queries = [signal for signal in own if isinstance(signal, Query)]
        names = {
            s.metric.removeprefix("postgresql.") for q in queries for s in selects(q.expression)
        }
        names |= {signal.name for signal in own if isinstance(signal, Checks)}
        needs = {query.needs for query in queries if query.needs}
        expected = [names or {"not", "covered"}, needs or {"none"}, set(drill.monitors) or {"none"}]
        assert documented[drill.name] == expected, drill.name
    assert documented.keys() == DRILLS.keys()
