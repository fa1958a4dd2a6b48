"""Names and labels of the recording rules, level:metric:operations, and the series that dashboards read."""

import re
from typing import Any

import pytest
import yaml

from lab.foundation.settings import ROOT
from tests.dashboards import FILES, load, panels

RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "prometheus/rules/recording.yml").read_text())["groups"]
    for rule in group["rules"]
]
RECORDED = sorted({rule["record"] for rule in RULES})
# A level, and the label that it stands for where the two differ.
LEVELS = {"statement": "queryid"}
OPERATIONS = {
    "ratio": r"/",
    "sum": r"\Asum by",
    "rate(?P<window>\\d+m)": r"rate\([^\[]+\[WINDOW\]",
    "last(?P<window>\\d+m)": r"last_over_time\([^\[]+\[WINDOW\]",
    "quantile": r"\Ahistogram_quantile\(",
}
OF_DATABASE = re.compile(r"\b(?:\w+:)?pg_\w+(?::\w+)?")
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["record"]))
each_dashboard = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


@each_rule
def test_the_name_has_level_metric_and_the_operations_of_the_expression(
    rule: dict[str, Any],
) -> None:
    level, metric, operations = rule["record"].split(":")
    assert not metric.endswith("_total"), "rate() takes it away"
    for label in re.split("_(?!event)", level):
        assert re.search(rf"by \([^)]*\b{LEVELS.get(label, label)}\b", rule["expr"]) or label in (
            rule.get("labels") or {}
        )
    for operation in operations.split("_"):
        [(found, pattern)] = [
            (match, pattern)
            for name, pattern in OPERATIONS.items()
            if (match := re.fullmatch(name, operation))
        ]
        window = found.groupdict().get("window", "")
        assert re.search(pattern.replace("WINDOW", window), rule["expr"].strip())


@each_rule
def test_a_series_of_a_database_keeps_its_instance_and_its_database(rule: dict[str, Any]) -> None:
    """datname, unless the exporter's series are of the whole server: sessions of roles, settings."""
    kept = re.findall(r"\b(?:sum|max|topk) by \(([^)]*)\)", rule["expr"])
    if not OF_DATABASE.search(rule["expr"]) and "credit_statement_info" not in rule["expr"]:
        assert all("instance" not in labels for labels in kept)
        return
    assert kept
    assert all(labels.startswith("instance") for labels in kept)
    server_wide = {"instance:pg_connections_used:ratio", "usename:pg_connections_used:ratio"}
    if rule["record"] not in {*server_wide, "queryid:credit_statement_info:last5m"}:
        assert all(labels.startswith("instance, datname") for labels in kept)


@each_dashboard
def test_every_series_of_a_database_is_of_the_chosen_instance(file: Any) -> None:
    selector = re.compile(
        r'(?<![\w:"])(?:\w+:)?(?:pg_|credit_statement_info)\w*(?::\w+)?(\{[^}]*)?'
    )
    for panel in panels(load(file)):
        for target in panel.get("targets", []):
            for found in selector.finditer(target.get("expr", "")):
                assert (found[1] or "").startswith('{instance=~"$instance"'), target["expr"]


@each_dashboard
def test_a_graph_reads_no_rate_of_a_minute(file: Any) -> None:
    """At a step of an hour it would show a minute of each hour. Names are read from it, and are no rate."""
    names = re.compile(r"group by \([^)]*\) \(topk by \(user, queryid\) \(1, \w+:\w+:rate1m\{")
    for panel in panels(load(file)):
        if panel["type"] == "timeseries":
            for target in panel["targets"]:
                assert "rate1m" not in names.sub("", target["expr"]), panel["title"]
