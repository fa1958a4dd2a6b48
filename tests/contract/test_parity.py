"""Datadog's monitors and dashboard against the alerts, the postgres check and the client's own models."""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
import yaml
from datadog_api_client import Configuration
from datadog_api_client.model_utils import OpenApiModel, UnparsedObject, validate_and_convert_types
from datadog_api_client.v1.model.dashboard import Dashboard
from datadog_api_client.v1.model.monitor import Monitor

from lab.datadog.account import SITES
from lab.datadog.definitions import FOLDER, PROJECT, Definition, Kind, read
from lab.foundation.settings import ROOT

ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((ROOT / "prometheus/rules/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
MONITORS = {
    file.stem: Definition.from_file(Kind.MONITOR, file)
    for file in sorted((ROOT / "datadog/monitors").glob("*.json"))
}
[BOARD_FILE] = (ROOT / "datadog/dashboards").glob("*.json")
BOARD = Definition.from_file(Kind.DASHBOARD, BOARD_FILE)
DOCUMENT = (ROOT / "docs/parity.md").read_text(encoding="utf-8")
VERDICTS = dict(re.findall(r"^\| (\w+) \| (same|approximate|none) \|", DOCUMENT, re.MULTILINE))
KNOWN = yaml.safe_load((ROOT / "tests/contract/datadog_metrics.yaml").read_text())
[CHECK] = yaml.safe_load((ROOT / "datadog/conf.d/postgres.d/conf.yaml").read_text())["instances"]
OPENMETRICS = yaml.safe_load((ROOT / "datadog/conf.d/openmetrics.d/conf.yaml").read_text())
READ_FROM_SERVICES = OPENMETRICS["instances"][0]["metrics"]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
SERVICES = {
    service["environment"]["DD_SERVICE"]
    for service in COMPOSE.values()
    if "DD_SERVICE" in service.get("environment", {})
}
LINKS = {"Runbook": "runbook_url", "Grafana": "dashboard_url"}
SCHEMA = (ROOT / "postgres/init/20-schema.sql").read_text()
# The client is typed, but for these two.
convert: Any = validate_and_convert_types
CONFIGURATION: Any = cast("Any", Configuration)()
# A metric in a query: aggregator, name, filter, grouping.
SELECTION = re.compile(r"(?:avg|sum|min|max|p\d\d):([a-z_.0-9]+)\{([^}]*)\}(?: by \{([^}]*)\})?")
COMPARISON = re.compile(r" (>=|<=|>|<) ([\d.e]+)$")


def alert_of(stem: str) -> str:
    """An alert may have several monitors: ALERT.json and ALERT-part.json."""
    return stem.partition("-")[0]


def test_every_alert_has_a_monitor_or_an_explained_absence() -> None:
    assert list(VERDICTS) == list(ALERTS)
    assert {alert_of(stem) for stem in MONITORS} == {
        alert for alert, verdict in VERDICTS.items() if verdict != "none"
    }


def test_whatever_is_not_the_same_is_explained() -> None:
    rows = re.findall(r"^\| (\w+) \| (?:approximate|none) \| (.*) \|$", DOCUMENT, re.MULTILINE)
    assert {alert for alert, why in rows if len(why) > 20} == {
        alert for alert, verdict in VERDICTS.items() if verdict != "same"
    }


@pytest.mark.parametrize("stem", MONITORS)
def test_a_monitor_says_whose_it_is_how_severe_and_where_its_runbook_stands(stem: str) -> None:
    alert, monitor = ALERTS[alert_of(stem)], MONITORS[stem]
    severity = alert["labels"]["severity"]
    assert monitor.identity == f"credit-lab:{stem.lower()}"
    assert {PROJECT, f"severity:{severity}"} <= set(monitor.body["tags"])
    assert monitor.body["priority"] == {"critical": 2, "warning": 4}[severity]
    links = (f"[{name}]({alert['annotations'][key]})" for name, key in LINKS.items())
    assert monitor.body["message"].endswith(f"\n\n{' | '.join(links)}")
    assert alert_of(stem) in monitor.title


@pytest.mark.parametrize("stem", MONITORS)
def test_the_threshold_in_the_query_is_the_one_in_the_options(stem: str) -> None:
    """Datadog refuses a monitor in which the two differ."""
    body = MONITORS[stem].body
    thresholds = body["options"]["thresholds"]
    if body["type"] == "service check":
        [window] = re.findall(r"\.last\((\d+)\)", body["query"])
        assert int(window) >= max(thresholds.values())
    else:
        comparison = COMPARISON.search(body["query"])
        assert comparison
        assert float(comparison[2]) == thresholds["critical"]


@pytest.mark.parametrize("stem", MONITORS)
def test_a_monitor_recovers_beyond_its_threshold(stem: str) -> None:
    """Not those that alert on the first event, and not service checks, which recover by their own count."""
    body = MONITORS[stem].body
    thresholds = body["options"]["thresholds"]
    comparison = COMPARISON.search(body["query"])
    if comparison is None or not thresholds["critical"] or stem == "CheckpointPressure":
        assert "critical_recovery" not in thresholds
    elif comparison[1].startswith("<"):
        assert thresholds["critical_recovery"] > thresholds["critical"]
    else:
        assert 0 < thresholds["critical_recovery"] < thresholds["critical"]


@pytest.mark.parametrize("stem", MONITORS)
def test_a_monitor_says_what_no_data_means_and_reminds(stem: str) -> None:
    options = MONITORS[stem].body["options"]
    tells = options.get("on_missing_data") == "show_and_notify_no_data"
    assert ("on_missing_data" in options) is not ("notify_no_data" in options)
    assert ("{{#is_no_data}}" in MONITORS[stem].body["message"]) is tells
    assert ("no data" in options["renotify_statuses"]) is tells
    assert options["renotify_interval"] == 60


@pytest.mark.parametrize(
    "stem", ["Deadlock", "TempFileSpill", "WraparoundNear", "WorkloadErrors", "WorkloadDrops"]
)
def test_where_the_two_ask_the_same_their_thresholds_are_the_same(stem: str) -> None:
    comparison = COMPARISON.search(ALERTS[stem]["expr"].strip())
    assert comparison
    ours = MONITORS[stem].body["options"]["thresholds"]["critical"]
    # Datadog counts down to the wraparound.
    assert float(comparison[2]) == (2**31 - ours if stem == "WraparoundNear" else ours)


def queries(value: Any) -> Iterator[str]:
    """Every query string anywhere in a body."""
    if isinstance(value, dict):
        if isinstance(value.get("query"), str):
            yield value["query"]
        for item in value.values():
            yield from queries(item)
    elif isinstance(value, list):
        for item in value:
            yield from queries(item)


QUERIES = sorted(
    {q for d in [*MONITORS.values(), BOARD] for q in queries(dict(d.body)) if ":" in q}
)


@pytest.mark.parametrize("query", [q for q in QUERIES if "{" in q])
def test_a_query_asks_only_for_metrics_and_tags_that_exist(query: str) -> None:
    selections = SELECTION.findall(query)
    assert len(selections) == query.count("{") - query.count(" by {")
    for name, where, by in selections:
        tags = set(re.findall(r"(\w+)(?:[:]| NOT IN| IN)", where)) | set(
            filter(None, by.split(","))
        )
        if name.startswith("trace."):
            spans = {
                f"trace.{s}{suffix}" for s in KNOWN["spans"] for suffix in KNOWN["trace_suffixes"]
            }
            assert name in spans
            assert tags <= set(KNOWN["trace_tags"])
        elif name in KNOWN["openmetrics"]:
            assert tags <= {"env", *KNOWN["openmetrics"][name]}
            assert name.removeprefix("credit.").rpartition(".")[0] in READ_FROM_SERVICES
        else:
            metric = KNOWN["metrics"][name]
            assert tags <= {"host", *metric["tags"]}
            assert f"host:{CHECK['reported_hostname']}" in where
            if option := metric.get("option"):
                assert CHECK[option], f"{name} needs {option}"


@pytest.mark.parametrize("stem", MONITORS)
def test_a_monitor_of_a_metric_that_datadog_derives_says_so(stem: str) -> None:
    """In its message, and in its alert's row of the document."""
    names = {name for name, _, _ in SELECTION.findall(str(MONITORS[stem].body["query"]))}
    derived = any(KNOWN["metrics"].get(name, {}).get("derived") for name in names)
    assert ("Datadog derives postgresql." in MONITORS[stem].body["message"]) is derived
    if derived:
        [row] = re.findall(rf"^\| {alert_of(stem)} \|.*$", DOCUMENT, re.MULTILINE)
        assert "(*derived*)" in row


def test_no_monitor_asks_for_the_minimum_of_a_minute() -> None:
    """A fault of 45 s fills three of the four samples that the check sends in a minute."""
    assert [stem for stem, of in MONITORS.items() if "min(last_1m)" in of.body["query"]] == []


def test_the_dashboard_says_which_metrics_datadog_derives() -> None:
    derived = {name for name, metric in KNOWN["metrics"].items() if metric.get("derived")}
    said = "Datadog derives postgresql.connections and postgresql.queries.*"
    assert said in BOARD.body["description"]
    rest = derived - {"postgresql.connections"}
    assert all(name.startswith("postgresql.queries.") for name in rest)


def test_the_list_of_metrics_holds_no_more_than_is_used() -> None:
    used = {name for query in QUERIES for name, _, _ in SELECTION.findall(query)}
    assert {name for name in used if name.startswith("postgresql.")} == set(KNOWN["metrics"])


def test_names_that_queries_repeat_are_those_of_the_lab() -> None:
    text = " ".join(QUERIES)
    for excluded in re.findall(r"table NOT IN \(([^)]*)\)", text):
        for table in excluded.split(","):
            assert f"CREATE TABLE {table} (" in SCHEMA
    roles = (ROOT / "postgres/init/10-roles.sql").read_text()
    for user in {*re.findall(r"user:(\w+)", text), "datadog", "postgres_exporter"}:
        assert f"('{user}'" in roles
    [limit] = re.findall(r"\('credit_app', .*, +(\d+)\)", roles)
    assert (
        f"user:credit_app}} / {limit} >"
        in MONITORS["ConnectionsNearLimit-credit_app"].body["query"]
    )


def test_the_dashboards_variables_offer_the_labs_services_and_roles() -> None:
    variables = {v["name"]: v for v in BOARD.body["template_variables"]}
    assert set(variables["service"]["available_values"]) == SERVICES
    text = json.dumps(BOARD.body)
    assert {name for name in variables if f"${name}" not in text} == set()


def test_the_dashboards_widgets_lie_side_by_side_and_each_has_a_title() -> None:
    for group in BOARD.body["widgets"]:
        taken: set[tuple[int, int]] = set()
        for widget in group["definition"]["widgets"]:
            place, what = widget["layout"], widget["definition"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["width"])
                for y in range(place["y"], place["y"] + place["height"])
            }
            assert not cells & taken
            assert max(x for x, _ in cells) < 12
            taken |= cells
            assert what.get("title") or what["type"] == "note"
        assert group["layout"]["height"] == 2 + max(y for _, y in taken)


def unknown_parts(value: Any, path: str = "") -> Iterator[str]:
    """Where a model has kept what it could not make sense of."""
    if isinstance(value, UnparsedObject) or getattr(value, "_unparsed", False):
        yield path
    if isinstance(value, OpenApiModel):
        for key, item in value._data_store.items():
            yield from unknown_parts(item, f"{path}.{key}")
            if isinstance(value.openapi_types, dict) and key not in value.openapi_types:
                yield f"{path}.{key}"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unknown_parts(item, f"{path}[{index}]")


def converted(body: Any, model: type) -> Any:
    return convert(body, (model,), ["body"], False, True, configuration=CONFIGURATION)


@pytest.mark.parametrize("definition", read(FOLDER), ids=lambda d: d.identity)
def test_a_body_is_what_the_clients_models_declare(definition: Definition) -> None:
    model = Monitor if definition.kind is Kind.MONITOR else Dashboard
    assert list(unknown_parts(converted(dict(definition.body), model))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"type": "toplist"', '"type": "toplits"'),
        ('"display_type": "bars"', '"display_type": "bar"'),
    ],
)
def test_the_models_notice_a_mistake_in_a_dashboard(old: str, new: str) -> None:
    """So the test above can fail."""
    body = json.loads(json.dumps(BOARD.body).replace(old, new, 1))
    assert list(unknown_parts(converted(body, Dashboard)))


def test_the_sites_are_those_of_the_client() -> None:
    [server, *_] = CONFIGURATION.get_host_settings()
    assert set(server["variables"]["site"]["enum_values"]) == set(SITES)
