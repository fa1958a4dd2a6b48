"""grafana/: the committed dashboards against their generator, the SDK's models, and what a reader needs."""

import copy
import itertools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.generator.writing import files
from lab.console.jaeger import PREFIX
from lab.drilldown.links import TRACES_SOURCE, trace_path
from lab.foundation.settings import ROOT
from tests.dashboards import BUILT_IN, FILES, load, panels, placed, targets
from tests.promql import metric_names
from workload.metrics import TABLE
from workload.services import SERVICES

PROVISIONING = ROOT / "grafana" / "provisioning"
COLUMNS = 24
VARIABLE = re.compile(r"\$\{?([a-z_]\w*)")
each_dashboard = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def data_source(uid: str = "credit-lab-prometheus") -> dict[str, Any]:
    text = (PROVISIONING / "datasources" / "prometheus.yml").read_text()
    [found] = [each for each in yaml.safe_load(text)["datasources"] if each["uid"] == uid]
    return dict(found)


def urls(node: object) -> set[str]:
    """Return every address in a dashboard, wherever it stands."""
    if isinstance(node, dict):
        here = {node["url"]} if isinstance(node.get("url"), str) else set()
        return here.union(*(urls(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(urls(value) for value in node))
    return set()


def names_of_variables(dashboard: dict[str, Any]) -> set[str]:
    return {variable["name"] for variable in dashboard["templating"]["list"]}


def test_the_committed_dashboards_are_what_the_generator_makes() -> None:
    """Otherwise run `python -m grafana.generator` and commit what it writes."""
    made = files()
    assert {file.name for file in FILES} == set(made)
    assert [file.name for file in FILES if file.read_text() != made[file.name]] == []


def test_the_generator_is_deterministic() -> None:
    assert files() == files()


@each_dashboard
def test_a_dashboard_loads_into_the_models_and_comes_back_the_same(file: Path) -> None:
    register_default_plugins()
    committed = load(file)
    for panel in panels(committed):
        # The SDK has no model of the Jaeger data source's query.
        panel.update({"targets": []} if panel.get("datasource", {}).get("type") == "jaeger" else {})
    returned = json.loads(JSONEncoder().encode(Dashboard.from_json(copy.deepcopy(committed))))
    for annotation in committed["annotations"]["list"]:
        # Prometheus annotations have two texts that the models leave out.
        assert annotation.pop("titleFormat")
        del annotation["textFormat"]
    assert returned == committed


@each_dashboard
def test_the_uid_is_the_name_of_the_file_and_the_ids_of_panels_are_unique(file: Path) -> None:
    dashboard = load(file)
    assert dashboard["uid"] == file.stem
    ids = Counter(panel["id"] for panel in placed(dashboard))
    titles = Counter(panel["title"] for panel in panels(dashboard) if panel["type"] != "stat")
    assert [number for number, times in (ids + titles).items() if times > 1] == []


@each_dashboard
def test_no_panel_lies_on_another_and_none_leaves_the_page(file: Path) -> None:
    cells: Counter[tuple[int, int]] = Counter()
    for panel in placed(load(file)):
        place = panel["gridPos"]
        x, y, w, h = (place.get(side, 0) for side in "xywh")
        assert w > 0
        assert h > 0
        assert x + w <= COLUMNS, panel["title"]
        cells.update(itertools.product(range(x, x + w), range(y, y + h)))
    assert [cell for cell, times in cells.items() if times > 1] == []


@each_dashboard
def test_only_the_last_rows_are_collapsed(file: Path) -> None:
    """Grafana keeps the places of panels: below a collapsed row an open one would have a hole above it."""
    rows = [
        panel.get("collapsed", False) for panel in load(file)["panels"] if panel["type"] == "row"
    ]
    assert rows == sorted(rows)


@each_dashboard
def test_every_line_of_panels_is_full_and_even(file: Path) -> None:
    """No holes at 1440 px: the panels that start at one height fill the width and end together."""
    lines: dict[int, list[dict[str, int]]] = {}
    for panel in placed(load(file)):
        lines.setdefault(panel["gridPos"].get("y", 0), []).append(panel["gridPos"])
    for y, places in lines.items():
        assert sum(place["w"] for place in places) == COLUMNS, f"the line at y={y}"
        assert len({place["h"] for place in places}) == 1, f"the line at y={y}"


@each_dashboard
def test_every_panel_says_in_words_what_it_shows(file: Path) -> None:
    for panel in panels(load(file)):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]


@each_dashboard
def test_every_value_has_a_unit(file: Path) -> None:
    for panel in panels(load(file)):
        if panel["type"] == "table" and "transformations" in panel:
            with_unit = {
                override["matcher"]["options"]
                for override in panel["fieldConfig"]["overrides"]
                if any(p["id"] == "unit" and p["value"] for p in override["properties"])
            }
            [organize] = [t for t in panel["transformations"] if t["id"] == "organize"]
            assert set(organize["options"]["renameByName"].values()) == with_unit, panel["title"]
        elif panel["type"] not in ("text", "logs", "table"):
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@each_dashboard
def test_an_empty_panel_says_why_instead_of_no_data(file: Path) -> None:
    for panel in panels(load(file)):
        if panel["type"] in ("timeseries", "stat", "table"):
            assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


@each_dashboard
def test_everything_reads_the_provisioned_data_source_by_its_uid(file: Path) -> None:
    dashboard = load(file)
    sources = [data_source(), data_source(TRACES_SOURCE), data_source("credit-lab-log")]
    references = [{"type": source["type"], "uid": source["uid"]} for source in sources]
    [chosen] = [v for v in dashboard["templating"]["list"] if v["type"] == "datasource"]
    assert chosen["current"]["value"] == sources[0]["uid"]
    references[0]["uid"] = "${datasource}"
    with_panels = [p for panel in panels(dashboard) for p in (panel, *panel.get("targets", []))]
    readers = [
        *(reader for reader in with_panels if reader.get("type") != "text"),
        *(v for v in dashboard["templating"]["list"] if v["type"] == "query"),
        *dashboard["annotations"]["list"],
    ]
    assert [reader for reader in readers if reader["datasource"] not in references] == []


@each_dashboard
def test_the_variables_that_are_used_are_those_that_are_declared(file: Path) -> None:
    dashboard = load(file)
    declared = names_of_variables(dashboard) - {"datasource"}
    queries = [
        str({key: value for key, value in one.items() if key != "datasource"})
        for panel in panels(dashboard)
        for one in panel.get("targets", [])
    ]
    used = {name for query in queries for name in VARIABLE.findall(query)} - BUILT_IN.keys()
    by_links = {name for url in urls(dashboard) for name in VARIABLE.findall(url)}
    by_variables = {
        name
        for variable in dashboard["templating"]["list"]
        for name in VARIABLE.findall(str(variable["query"]))
    }
    grafana = {"__url_time_range", "__data", "__field"}
    assert used <= declared
    assert by_links - grafana <= declared
    assert declared - used - by_links - by_variables == set()


@each_dashboard
def test_a_link_leads_to_a_dashboard_that_has_the_variables_it_sets(file: Path) -> None:
    for url in urls(load(file)):
        parts = urlsplit(url)
        if parts.scheme or parts.path.startswith("${console}"):
            assert url.startswith(("https://${datadog}/", "${console}/"))
            continue
        target = load(ROOT / "grafana" / "dashboards" / f"{parts.path.removeprefix('/d/')}.json")
        sets = {name.removeprefix("var-") for name in parse_qs(parts.query) if "var-" in name}
        assert sets <= names_of_variables(target), url


@each_dashboard
def test_every_statement_and_session_leads_to_the_console(file: Path) -> None:
    """Columns of a table with the name or queryid of a statement or a pid; graphs by statement."""
    columns = {"statement", "queryid", "pid", "blocker_pid"}
    for panel in panels(load(file)):
        overrides = panel.get("fieldConfig", {}).get("overrides", [])
        found = [one for one in overrides if one["matcher"]["options"] in columns]
        if panel["type"] == "timeseries" and "{{statement}}" in str(panel["targets"]):
            found = [panel["fieldConfig"]["defaults"]]
        for one in found:
            assert any(url.startswith("${console}/") for url in urls(one)), panel["title"]


def test_the_documentation_lists_every_link_of_the_dashboards() -> None:
    def titled(node: object) -> set[tuple[str, str]]:
        if isinstance(node, list):
            return set().union(*map(titled, node))
        if not isinstance(node, dict):
            return set()
        here = {(node["title"], node["url"])} if node.get("url") and "title" in node else set()
        return here.union(*map(titled, node.values()))

    document = (ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8")
    section = document.split("## Links of the dashboards")[1].split("\n## ")[0]
    listed = re.findall(r"^\| \*(.+?)\* \| `(.+?)` \|", section, re.MULTILINE)
    place = re.compile(r"(?<=queries/|runbook/)(?:STATEMENT|ALERT|\$\{[^}]+\})")
    found = {
        (title, place.sub("NAME", url.split("?")[0]))
        for file in FILES
        for title, url in titled(load(file))
    }
    assert {(title, place.sub("NAME", url)) for title, url in listed} == found
    assert len(listed) == len(found)


def test_the_overview_leads_to_a_query_and_a_query_to_its_tables() -> None:
    def leads(start: str, to: str) -> bool:
        return any(f"/d/credit-lab-{to}?" in url for url in urls(load(by_name[start])))

    by_name = {file.stem.removeprefix("credit-lab-"): file for file in FILES}
    assert leads("overview", "query")
    assert leads("queries", "query")
    assert leads("query", "tables")


@each_dashboard
def test_every_dashboard_leads_to_database_monitoring(file: Path) -> None:
    links = {link["url"] for link in load(file)["links"] if link["type"] == "link"}
    assert {
        f"https://${{datadog}}/databases/{page}" for page in ("list", "queries", "samples")
    } < links


@each_dashboard
def test_every_metric_of_the_lab_is_declared_or_recorded(file: Path) -> None:
    """tests/integration/test_dashboards.py compares the exporter's names with a live scrape."""
    rules = "".join(rules.read_text() for rules in (ROOT / "prometheus/rules").glob("*.yml"))
    recorded = set(re.findall(r"- record: (\S+)", rules))
    stems = tuple(metric.name for metric in TABLE)
    names = set().union(*(metric_names(target.expr) for target in targets(load(file))))
    own = {name for name in names if name.startswith("credit_") or ":" in name}
    assert {name for name in own - recorded if not name.startswith(stems)} == set()


def test_a_service_has_one_colour_everywhere() -> None:
    names = {service.dd_service for service in SERVICES.values()}
    found: dict[str, set[str]] = {name: set() for name in names}
    for file in FILES:
        for panel in panels(load(file)):
            for override in panel.get("fieldConfig", {}).get("overrides", []):
                pattern = str(override["matcher"]["options"])
                for name in names & set(re.findall(r"credit-\w+", pattern)):
                    found[name].add(override["properties"][0]["value"]["fixedColor"])
    assert {name: len(colours) for name, colours in found.items()} == dict.fromkeys(names, 1)
    assert len(set.union(*found.values())) == len(names)


def test_provisioning_asks_for_no_variable_that_compose_does_not_set() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    sources = [data_source(), data_source(TRACES_SOURCE)]
    text = json.dumps([*sources, provider()]).replace("$$", "")
    assert set(re.findall(r"\$\{?([A-Z_]+)", text)) <= set(
        compose["services"]["grafana"]["environment"]
    )


def test_compose_mounts_what_provisioning_reads() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    mounts = dict(volume.split(":")[:2] for volume in compose["services"]["grafana"]["volumes"])
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    assert mounts["./grafana/dashboards"] == provider()["options"]["path"]


def test_an_exemplar_leads_to_datadog_to_the_lab_and_to_the_traces_of_the_data_source() -> None:
    links = data_source()["jsonData"]["exemplarTraceIdDestinations"]
    assert {link["name"] for link in links} == {"trace_id"}
    *outside, inside = links
    assert [link["url"] for link in outside] == [
        "https://$DATADOG_HOST/apm/trace/$${__value.raw}",
        f"http://127.0.0.1:$CONSOLE_PORT{trace_path('$${__value.raw}')}",
    ]
    assert inside["datasourceUid"] == TRACES_SOURCE


def test_traces_come_from_the_console_with_its_token() -> None:
    source = data_source(TRACES_SOURCE)
    assert source["type"] == "jaeger"
    assert f"{source['url']}/api" == f"$CONSOLE_URL{PREFIX}"
    assert source["jsonData"]["httpHeaderName1"] == "Authorization"
    assert source["secureJsonData"] == {"httpHeaderValue1": "Bearer $CONSOLE_TOKEN"}
    grafana = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    console = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["console"]
    assert grafana["environment"]["CONSOLE_TOKEN"] == console["environment"]["LAB_CONSOLE_TOKEN"]


def test_a_span_leads_to_series_that_exist_by_the_label_that_its_tag_becomes() -> None:
    """tests/integration/test_dashboards.py evaluates the queries for a statement that runs."""
    link = data_source(TRACES_SOURCE)["jsonData"]["tracesToMetrics"]
    assert link["datasourceUid"] == data_source()["uid"]
    assert link["tags"] == [{"key": "lab.statement", "value": "statement"}]
    rules = (ROOT / "prometheus" / "rules" / "recording.yml").read_text()
    recorded = set(re.findall(r"- record: (\S+)", rules))
    names = set().union(*(metric_names(query["query"]) for query in link["queries"]))
    assert {name for name in names if ":" in name} <= recorded


def test_the_log_comes_from_the_console_with_its_token() -> None:
    source, traces = data_source("credit-lab-log"), data_source(TRACES_SOURCE)
    assert (source["type"], source["url"]) == ("loki", "$CONSOLE_URL")
    assert source["secureJsonData"] == traces["secureJsonData"]


def test_the_least_rate_interval_is_that_of_the_slowest_scrape() -> None:
    prometheus = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    default = prometheus["global"]["scrape_interval"]
    intervals = {job.get("scrape_interval", default) for job in prometheus["scrape_configs"]}
    assert data_source()["jsonData"]["timeInterval"] == max(intervals, key=lambda s: int(s[:-1]))


def provider() -> dict[str, Any]:
    text = (PROVISIONING / "dashboards" / "credit-lab.yml").read_text()
    [found] = yaml.safe_load(text)["providers"]
    return dict(found)
