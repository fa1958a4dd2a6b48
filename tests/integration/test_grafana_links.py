"""Every link and correlation that Grafana is provisioned with, followed to where it leads.

Grafana is not here. What it does to a link is small and done below: the columns of its trace view, the
regular expressions of correlations, the variables of a URL. The console and its store are real.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import yaml

from lab.console.jaeger_events import MAX_NODES, plan_text
from lab.drilldown import Drilldown
from lab.foundation.settings import ROOT, LabSettings
from lab.telemetry.store import Bounds, Record, Writer
from tests import evidence as of
from tests.dashboards import FILES, FOLDER, load, panels
from tests.fix_console import RunningConsole, start_console
from tests.fix_postgres import free_port
from tests.fix_store import HOUR_NS, Tally

TOKEN = "s3cret-token"
READER = {"Authorization": f"Bearer {TOKEN}"}
BLOCKER = 99
SOURCES = {
    source["uid"]: source
    for source in yaml.safe_load(
        (ROOT / "grafana/provisioning/datasources/prometheus.yml").read_text().replace("$$", "$")
    )["datasources"]
}
TRACES, LOG = SOURCES["credit-lab-traces"], SOURCES["credit-lab-log"]
CONSOLE = "http://127.0.0.1:$CONSOLE_PORT"
VARIABLE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A console on a store with a blocked statement, and the trace that blocked it."""

    console: RunningConsole

    def get(self, path: str, **asked: object) -> Any:
        query = f"?{urlencode(asked)}" if asked else ""
        answer = self.console.send("GET", f"{path}{query}", headers=READER)
        assert answer.status == 200, f"{path}{query}: {answer.body.decode()}"
        return answer

    def trace(self, trace_id: str) -> dict[str, Any]:
        """Return a trace as Grafana's data source reads it."""
        [found] = self.get(f"/jaeger/api/traces/{trace_id}").json()["data"]
        return dict(found)

    def log(self, query: str, **asked: object) -> list[tuple[dict[str, str], str]]:
        """Return labels and text of the lines of a query."""
        window = {"start": of.START - HOUR_NS, "end": of.START + HOUR_NS}
        found = self.get("/loki/api/v1/query_range", **{"query": query, **window, **asked}).json()
        assert found["data"]["resultType"] == "streams"
        return [(line["stream"], line["values"][0][1]) for line in found["data"]["result"]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    state = tmp_path_factory.mktemp("console")
    slow, blocking = of.statement(1), of.statement(2, ms=5)
    waits: dict[str, Any] = {"wait_event_type": "Lock", "wait_event": "transactionid"}
    at_ns = slow.start_ns + of.MS
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(state / "store" / "store.sqlite", bounds, Tally()) as writer:
        records: list[Record] = [
            of.root(1), of.root(2, ms=20), slow, blocking, of.known(), of.thresholds(),
            of.logged(slow, ms=380), of.plan(slow, ms=379),
            of.lock_wait(slow, ms=300, blocked_by=BLOCKER),
            of.failed(slow, "canceling statement due to lock timeout", "55P03"),
            of.sample(slow, at_ns=at_ns, blocking_pids=(BLOCKER,), **waits),
            of.sample(blocking, at_ns=at_ns, pid=BLOCKER, state="idle in transaction"),
        ]  # fmt: skip
        writer.commit(records, timeout_s=60)
    console = start_console(state, LAB_CONSOLE_TOKEN=TOKEN)
    try:
        yield Lab(console=console)
    finally:
        console.stop()


def columns(trace: Mapping[str, Any], span: Mapping[str, Any]) -> dict[str, str]:
    """Return a row of Grafana's trace frame (pkg/tsdb/jaeger); its server encodes each tag in this order."""
    tags = [{key: tag[key] for key in ("key", "type", "value")} for tag in span["tags"]]
    return {
        "traceID": span["traceID"],
        "spanID": span["spanID"],
        "operationName": span["operationName"],
        "serviceName": trace["processes"][span["processID"]]["serviceName"],
        "tags": json.dumps(tags, separators=(",", ":")),
    }


def filled(text: str, row: Mapping[str, str], rules: list[dict[str, str]]) -> str | None:
    """Return a target with its variables filled; None when one has no value: then there is no link."""
    values = dict(row)
    for rule in rules:
        assert rule["type"] == "regex"
        if found := re.search(rule["expression"], row[rule["field"]]):
            values[rule["mapValue"]] = found[1]
    names = VARIABLE.findall(text)
    if not set(names) <= set(values):
        return None
    return VARIABLE.sub(lambda match: values[match[1]], text)


def links(lab: Lab, number: int = 1) -> Iterator[tuple[str, str, str]]:
    """Yield label, span and target of each correlation of a trace."""
    trace = lab.trace(of.trace_id(number))
    for span in trace["spans"]:
        row = columns(trace, span)
        for one in TRACES["correlations"]:
            config = one["config"]
            assert config["field"] in row, "links are attached to a column"
            target = config["target"]
            text = target["url"] if one["type"] == "external" else target["expr"]
            found = filled(text, row, config.get("transformations", []))
            if found is not None:
                yield one["label"], span["spanID"], found


def follow(lab: Lab, url: str) -> None:
    """Open a link: a page of the console, a dashboard with the variables, or Datadog's known addresses."""
    assert "${" not in url
    if url.startswith(CONSOLE):
        path = urlsplit(url.removeprefix(CONSOLE)).path
        answer = lab.console.send("GET", path, headers={**READER, "Accept": "text/html"})
        assert answer.status == 200, f"{path}: {answer.status}"
    elif url.startswith("/d/"):
        parts = urlsplit(url)
        dashboard = load(FOLDER / f"{parts.path.removeprefix('/d/')}.json")
        known = {f"var-{variable['name']}" for variable in dashboard["templating"]["list"]}
        asked = parse_qs(parts.query, strict_parsing=True)
        assert set(asked) <= known
        assert asked["var-statement"] == ["risk_distribution"]
    else:
        assert url == f"https://$DATADOG_HOST/apm/trace/{of.trace_id(1)}"


def test_every_correlation_of_a_statements_span_leads_somewhere(lab: Lab) -> None:
    found = [(label, target) for label, span, target in links(lab) if span == of.span_id(2)]
    assert [label for label, _ in found] == [one["label"] for one in TRACES["correlations"]]
    for label, target in found:
        if label == "Log of this statement":
            lines = lab.log(target)
            assert lines
            assert {labels["queryid"] for labels, _ in lines} == {str(of.QUERYID)}
        else:
            follow(lab, target)


def test_every_link_of_a_dashboard_to_the_console_opens(lab: Lab) -> None:
    """With the values of a row, a series or a variable in it."""
    rendered = {
        "console": "",
        "__data.fields.statement": "risk_distribution",
        "__data.fields.statement:percentencode": "risk_distribution",
        "__field.labels.statement:percentencode": "risk_distribution",
        "statement:percentencode": "risk_distribution",
        "__data.fields.queryid": str(of.QUERYID),
        "__data.fields.alertname": "SessionsBlocked",
    }
    found = {
        url
        for file in FILES
        for url in re.findall(r'"url": "(\$\{console\}[^"]*)"', file.read_text())
    }
    assert len(found) >= 7
    for url in found:
        path = VARIABLE.sub(lambda match: rendered[match[1]], url)
        answer = lab.console.send("GET", path, headers={**READER, "Accept": "text/html"})
        assert answer.status == 200, f"{url}: {answer.status}"


def test_every_link_of_an_alert_opens(lab: Lab) -> None:
    """Its runbook in the console; its dashboard is one that is provisioned."""
    rules = yaml.safe_load((ROOT / "prometheus/rules/alerts.yml").read_text())["groups"]
    alerts = [rule["annotations"] for group in rules for rule in group["rules"]]
    for urls in alerts:
        path = urlsplit(urls["runbook_url"]).path
        answer = lab.console.send("GET", path, headers={**READER, "Accept": "text/html"})
        assert answer.status == 200, path
        name = urlsplit(urls["dashboard_url"]).path.removeprefix("/d/")
        assert (FOLDER / f"{name}.json").is_file(), name


def test_the_span_of_an_operation_has_only_the_links_of_its_trace(lab: Lab) -> None:
    assert {label for label, span, _ in links(lab) if span == of.span_id(1)} == {"Trace in Datadog"}


def test_a_span_leads_to_the_log_of_its_trace_and_a_line_back_to_the_trace(lab: Lab) -> None:
    to_log = TRACES["jsonData"]["tracesToLogsV2"]
    assert SOURCES[to_log["datasourceUid"]] is LOG
    query = to_log["query"].replace("${__span.traceId}", of.trace_id(1))
    lines = lab.log(query)
    assert {labels["kind"] for labels, _ in lines} == {"statement", "plan", "lock_wait", "error"}
    for labels, _ in lines:
        for derived in LOG["jsonData"]["derivedFields"]:
            assert derived["matcherType"] == "label"
            if (value := labels.get(derived["matcherRegex"])) is None:
                assert derived["name"] == "Statement"
                continue
            target = derived["url"].replace("${__value.raw}", value)
            if "datasourceUid" in derived:
                assert SOURCES[derived["datasourceUid"]] is TRACES
                assert lab.trace(target)["traceID"] == of.trace_id(1)
            else:
                follow(lab, target)


def test_the_details_of_a_blocked_statement(lab: Lab) -> None:
    """Its waits, blocker, failure and executed plan are events; the blocking trace is a reference."""
    trace = lab.trace(of.trace_id(1))
    [span] = [span for span in trace["spans"] if span["spanID"] == of.span_id(2)]
    events = [{field["key"]: field["value"] for field in log["fields"]} for log in span["logs"]]
    by_name = {event.pop("event"): event for event in events}
    assert by_name["waits"] == {"wait_event": "Lock/transactionid", "samples": "1"}
    assert by_name["blocked by"]["pid"] == str(BLOCKER)
    assert by_name["blocked by"]["state"] == "idle in transaction"
    assert "lock timeout" in by_name["error"]["message"]
    assert by_name["executed plan"]["plan"].startswith("Seq Scan on installments  379.000 ms of")
    begin, end = span["startTime"], span["startTime"] + span["duration"]
    assert all(begin <= log["timestamp"] <= end for log in span["logs"])
    assert span["references"] == [
        {"refType": "CHILD_OF", "traceID": of.trace_id(1), "spanID": of.span_id(1)},
        {"refType": "FOLLOWS_FROM", "traceID": of.trace_id(2), "spanID": of.span_id(2)},
    ]
    assert TRACES["jsonData"]["spanBar"]["tag"] in {tag["key"] for tag in span["tags"]}
    blocking = lab.trace(of.trace_id(2))
    assert of.span_id(2) in {span["spanID"] for span in blocking["spans"]}


def test_the_dependency_graph_has_each_service_and_the_database(lab: Lab) -> None:
    """Statements of an older tracer have the service postgres, and are no edge of their own."""
    asked = {"endTs": of.START // of.MS + 60_000, "lookback": 3_600_000}
    assert lab.get("/jaeger/api/dependencies", **asked).json()["data"] == []


def test_the_slowest_traces_of_a_search_come_first(lab: Lab) -> None:
    asked = {"service": "credit-risk", "tags": '{"lab.order":"slowest"}'}
    found = lab.get("/jaeger/api/traces", **asked).json()["data"]
    assert [trace["traceID"] for trace in found] == [of.trace_id(1), of.trace_id(2)]


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ('{job="postgres"}', ["plan", "error", "statement", "lock_wait"]),
        ('{kind="plan", statement=~"risk_.*|other"}', ["plan"]),
        ('{job="postgres"} |= "lock timeout"', ["error"]),
        ('{job="postgres"} |~ "(?i)LOCK.*TIMEOUT"', ["error"]),
        ('{job="postgres"} != "duration" != "timeout"', ["lock_wait"]),
        ('{job="postgres"} | json | level="error" | drop __error__', ["error"]),
        ('{pid="42", kind!~"error|plan"}', ["statement", "lock_wait"]),
        ("{trace_id=`" + of.trace_id(7) + "`}", []),
        ('{pid="none"}', []),
    ],
)
def test_the_log_is_selected_by_labels_and_text(lab: Lab, query: str, kinds: list[str]) -> None:
    """The newest line first, as Grafana shows them."""
    assert [labels["kind"] for labels, _ in lab.log(query)] == kinds


def test_the_log_has_statements_without_literals_and_their_durations(lab: Lab) -> None:
    [(labels, text)] = lab.log('{kind="statement"}')
    assert text == f"duration: 380.000 ms  statement: {of.REPORT}"
    assert labels["level"] == "info"
    assert lab.log('{job="postgres"}', direction="forward", limit=1)[0][0]["kind"] == "lock_wait"


def test_query_detail_shows_the_text_of_the_statement(lab: Lab) -> None:
    [panel] = [p for p in panels(load(FOLDER / "credit-lab-query.json")) if p["title"] == "Text"]
    [target] = panel["targets"]
    [(labels, text)] = lab.log(target["expr"].replace("$statement", "risk_distribution"))
    assert labels["queryid"] == str(of.QUERYID)
    assert text == of.known().text
    assert lab.log(target["expr"].replace("$statement", "other")) == []


def test_the_histogram_of_explore_counts_the_lines_by_level(lab: Lab) -> None:
    query = (
        'sum by (level, detected_level) (count_over_time({job="postgres"} | drop __error__ [60s]))'
    )
    window = {"start": of.START, "end": of.START + 60 * 10**9, "step": "60000ms"}
    found = lab.get("/loki/api/v1/query_range", query=query, **window).json()["data"]
    assert found["resultType"] == "matrix"
    counts = {one["metric"]["level"]: one["values"] for one in found["result"]}
    end = of.START / 10**9 + 60
    assert counts == {"info": [[end, "3"]], "error": [[end, "1"]]}


def test_grafana_finds_the_data_source_healthy_and_its_labels(lab: Lab) -> None:
    health = lab.get("/loki/api/v1/query", query="vector(1)+vector(1)", time=1).json()["data"]
    assert (health["resultType"], health["result"][0]["value"][1]) == ("vector", "2")
    assert "kind" in lab.get("/loki/api/v1/labels").json()["data"]
    window = {"start": of.START, "end": of.START + HOUR_NS}
    values = lab.get("/loki/api/v1/label/kind/values", **window).json()["data"]
    assert values == ["error", "lock_wait", "plan", "statement"]
    series = lab.get("/loki/api/v1/series", **{"match[]": '{kind="plan"}'}, **window).json()["data"]
    assert [one["statement"] for one in series] == ["risk_distribution"]
    assert lab.get("/loki/api/v1/index/stats", query="{}", **window).json()["entries"] == 4


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", '"{" is expected at the end'),
        ('{job="a"', "at the end"),
        ('rate({job="a"}[1m])', '"{" is expected at rate'),
        ('{job="a"} | line_format "x"', "not supported at"),
        ('{job=~"(a+)+$"}', "is a regular expression"),
        ("{" * 5_001, "more than 5,000 characters"),
        ('count_over_time({job="a"}[soon])', "not understood|not a duration"),
    ],
)
def test_a_query_that_is_not_supported_is_refused_with_the_place(
    lab: Lab, query: str, message: str
) -> None:
    asked = urlencode({"query": query})
    answer = lab.console.send("GET", f"/loki/api/v1/query_range?{asked}", headers=READER)
    assert answer.status == 400
    assert re.search(message, answer.json()["error"])


@pytest.mark.parametrize("path", ["/loki/api/v1/labels", "/jaeger/api/dependencies"])
def test_the_log_requires_the_token(lab: Lab, path: str) -> None:
    assert lab.console.send("GET", path).status == 401


def test_a_long_plan_is_shown_in_part(lab: Lab) -> None:
    settings = LabSettings(
        _env_file=None, lab_state_dir=lab.console.state, postgres_port=free_port()
    )
    tree = Drilldown.of(settings).execution(of.trace_id(1), of.span_id(2)).plan.tree
    assert tree is not None
    wide = replace(tree.root, children=tuple(tree.root for _ in range(MAX_NODES + 5)))
    lines = plan_text(wide).splitlines()
    assert len(lines) == MAX_NODES + 1
    assert lines[-1] == "... 6 more branches in the console"
