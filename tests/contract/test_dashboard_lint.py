"""The rules of Grafana's dashboard-linter, without it; exceptions are in grafana/dashboard-linter.yaml.

That file has the linter's own format: `dashboard-linter lint -c grafana/dashboard-linter.yaml FILE` reads it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import pytest
import yaml
from grafana_foundation_sdk.models import units

from lab.foundation.settings import ROOT
from tests.dashboards import FILES, load, panels

Found: TypeAlias = Iterator[str]
CONFIGURATION = ROOT / "grafana" / "dashboard-linter.yaml"
EXCLUSIONS: Mapping[str, Any] = yaml.safe_load(CONFIGURATION.read_text())["exclusions"]
DATASOURCE = "${datasource}"
# Panels whose queries are PromQL, in the linter's words.
QUERIES = {"stat", "timeseries", "state-timeline"}
UNITS = {
    value for name, value in vars(units).items() if isinstance(value, str) and name[0].isupper()
}
RANGE = re.compile(r"\b(rate|irate|increase|\w+_over_time)\(\s*\w+(?:\{[^}]*\})?\[([^\]:]+)[\]:]")
COUNTER = re.compile(r"\w+_total\b")
AGGREGATED = re.compile(r"\b(?:rate|irate|increase)\(\s*\w+_total(?:\{[^}]*\})?\[")


def template_datasource(dashboard: Mapping[str, Any]) -> Found:
    """A data source variable, with the linter's name and label."""
    found = [v for v in dashboard["templating"]["list"] if v["type"] == "datasource"]
    if [(v["name"], v["label"], v["query"]) for v in found] != [
        ("datasource", "Data source", "prometheus")
    ]:
        yield "dashboard"


def template(name: str) -> Callable[[Mapping[str, Any]], Found]:
    """A variable of this name, for the rules of job and instance: a query, with several values and all."""

    def rule(dashboard: Mapping[str, Any]) -> Found:
        found = [v for v in dashboard["templating"]["list"] if v["name"] == name]
        wanted = ("query", name.title(), DATASOURCE, True, ".+")
        if [
            (v["type"], v["label"], v["datasource"]["uid"], v["multi"], v["allValue"])
            for v in found
        ] != [wanted]:
            yield "dashboard"

    return rule


def on_time_change_reload(dashboard: Mapping[str, Any]) -> Found:
    """Variables are read again when the time range changes."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query" and variable["refresh"] != 2:
            yield str(variable["name"])


def uneditable(dashboard: Mapping[str, Any]) -> Found:
    if dashboard.get("editable"):
        yield "dashboard"


def panel_datasource(dashboard: Mapping[str, Any]) -> Found:
    for panel in panels(dashboard):
        if panel["type"] in QUERIES and panel["datasource"]["uid"] != DATASOURCE:
            yield panel["title"]


def panel_title_description(dashboard: Mapping[str, Any]) -> Found:
    for panel in panels(dashboard):
        if not (panel.get("title") and panel.get("description")):
            yield str(panel.get("title"))


def panel_units(dashboard: Mapping[str, Any]) -> Found:
    for panel in panels(dashboard):
        if panel["type"] not in QUERIES - {"state-timeline"}:
            continue
        defaults = panel["fieldConfig"]["defaults"]
        if not defaults.get("mappings") and defaults.get("unit") not in UNITS:
            yield panel["title"]


def panel_no_targets(dashboard: Mapping[str, Any]) -> Found:
    for panel in panels(dashboard):
        if panel["type"] != "text" and not panel.get("targets"):
            yield panel["title"]


def target(rule: Callable[[str], bool]) -> Callable[[Mapping[str, Any]], Found]:
    """A rule for each PromQL query of a panel that has queries in the linter's words."""

    def check(dashboard: Mapping[str, Any]) -> Found:
        for panel in panels(dashboard):
            if panel["type"] in QUERIES and any(rule(one["expr"]) for one in panel["targets"]):
                yield panel["title"]

    return check


def no_rate_interval(expr: str) -> bool:
    return any(
        function in ("rate", "irate") and window != "$__rate_interval"
        for function, window in RANGE.findall(expr)
    )


def bare_counter(expr: str) -> bool:
    return len(COUNTER.findall(expr)) > len(AGGREGATED.findall(expr))


RULES: Mapping[str, Callable[[Mapping[str, Any]], Found]] = {
    "template-datasource-rule": template_datasource,
    "template-job-rule": template("job"),
    "template-instance-rule": template("instance"),
    "template-on-time-change-reload-rule": on_time_change_reload,
    "uneditable-dashboard": uneditable,
    "panel-datasource-rule": panel_datasource,
    "panel-title-description-rule": panel_title_description,
    "panel-units-rule": panel_units,
    "panel-no-targets-rule": panel_no_targets,
    "target-rate-interval-rule": target(no_rate_interval),
    "target-counter-agg-rule": target(bare_counter),
    "target-job-rule": target(lambda expr: 'job=~"$job"' not in expr),
    "target-instance-rule": target(lambda expr: 'instance=~"$instance"' not in expr),
}


def violations(rule: str) -> set[tuple[str, str]]:
    return {
        (dashboard["title"], where) for file in FILES for dashboard in [load(file)]
        for where in RULES[rule](dashboard)
    }  # fmt: skip


def excluded(rule: str) -> set[tuple[str, str]] | None:
    """Return dashboards and panels that a rule does not apply to; None: to nothing at all."""
    entries = EXCLUSIONS[rule].get("entries") if rule in EXCLUSIONS else []
    if entries is None:
        return None
    return {(entry["dashboard"], entry.get("panel", "dashboard")) for entry in entries}


@pytest.mark.parametrize("rule", RULES)
def test_the_dashboards_keep_the_rule_or_an_exception_names_the_panel(rule: str) -> None:
    """And no exception is left over."""
    found, exceptions = violations(rule), excluded(rule)
    if exceptions is None:
        assert found
    else:
        assert found == exceptions


def test_every_exception_has_a_reason() -> None:
    assert set(EXCLUSIONS) <= set(RULES)
    assert all(len(exclusion["reason"]) > 40 for exclusion in EXCLUSIONS.values())


def test_the_rules_find_what_they_look_for() -> None:
    assert no_rate_interval("rate(a_total[5m])")
    assert not no_rate_interval("increase(a_total[5m]) + rate(b_total{c='d'}[$__rate_interval])")
    assert bare_counter("a_total - a_total offset 1m")
    assert not bare_counter("sum(increase(a_total{b='c'}[1h]))")
