"""Every link out of the console and the CLI, against what it leads to: dashboards, rules, Datadog's pages.

That Prometheus really answers the expressions is shown by the whole lab (tests/acceptance/test_drilldown.py).
"""

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, parse_qs, urlsplit

import pytest
import yaml

from lab.console.pages import PAGES
from lab.datadog.account import SITES
from lab.drilldown.links import ALL, Links
from lab.foundation.settings import ROOT, DatadogSettings, LabSettings, with_account_links
from lab.foundation.timestamps import moment
from tests.dashboards import FILES, load
from tests.promql import metric_names

TRACE, SPAN, QUERYID = (
    "6b023b1f00000000cf5f77a1d736253a",
    "00000000000000ff",
    "-2505297630402857902",
)
START_MS = 1_800_000_000_000
API_KEY = "0123456789abcdef" * 2
# "Getting Started with Datadog Sites", the column "Site URL".
SITE_URLS = {
    "datadoghq.com": "https://app.datadoghq.com",
    "us3.datadoghq.com": "https://us3.datadoghq.com",
    "us5.datadoghq.com": "https://us5.datadoghq.com",
    "datadoghq.eu": "https://app.datadoghq.eu",
    "ap1.datadoghq.com": "https://ap1.datadoghq.com",
    "ap2.datadoghq.com": "https://ap2.datadoghq.com",
    "uk1.datadoghq.com": "https://uk1.datadoghq.com",
    "ddog-gov.com": "https://app.ddog-gov.com",
    "us2.ddog-gov.com": "https://us2.ddog-gov.com",
}
# Paths of Datadog's pages, and the parameters that each is documented or seen to take.
DATADOG = {
    r"/apm/trace/[0-9a-f]{32}": {"spanID", "timeHint"},
    r"/apm/services/[\w-]+": set(),
    r"/databases/list": set(),
    r"/databases/queries": set(),
    r"/databases/samples": {"query"},
}


def of_every_object(links: Links) -> dict[str, dict[str, str]]:
    """What each kind of object links to, a statement by queryid, by name, and by both."""
    return {
        "trace": links.trace(TRACE),
        "span": links.trace(TRACE, start=moment(START_MS * 1_000_000), span_id=SPAN),
        "queryid": links.query(QUERYID),
        "name": links.query(None, "customer_by_cpf"),
        "query": links.query(QUERYID, "customer_by_cpf"),
        "table": links.table("installments"),
        "service": links.service("credit-risk"),
        "sessions": links.sessions(),
    }


def to(whom: str, links: Links) -> Iterator[tuple[str, SplitResult, Mapping[str, list[str]]]]:
    """Yield every link to one of them, by what it is of."""
    for what, found in of_every_object(links).items():
        if whom in found:
            parts = urlsplit(found[whom])
            yield what, parts, parse_qs(parts.query, strict_parsing=bool(parts.query))


@pytest.fixture(autouse=True)
def nobodys_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever account the caller has, in `.env` or in the environment, is not this test's."""
    for settings in (LabSettings, DatadogSettings):
        monkeypatch.setattr(settings, "env_file", None)
    for name in ("DD_API_KEY", "DD_SITE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> Links:
    """The links of a lab with Grafana, and with an account at the default site."""
    monkeypatch.setenv("DD_API_KEY", API_KEY)
    monkeypatch.setenv("GRAFANA_URL", "http://127.0.0.1:3001")
    return Links.of(with_account_links(LabSettings.load()))


def test_every_object_has_its_links(links: Links) -> None:
    """A trace has no PromQL, a queryid without a name no dashboard, a table no page at Datadog."""
    everywhere = {"console", "prometheus", "grafana", "datadog"}
    assert {what: everywhere - found.keys() for what, found in of_every_object(links).items()} == {
        "trace": {"prometheus"},
        "span": {"prometheus"},
        "queryid": {"grafana"},
        "name": {"prometheus"},
        "query": set(),
        "table": {"console", "datadog"},
        "service": {"console"},
        "sessions": set(),
    }


def test_links_to_grafana_name_dashboards_and_variables_that_there_are(links: Links) -> None:
    variables = {}
    for file in FILES:
        dashboard = load(file)
        variables[dashboard["uid"]] = {v["name"] for v in dashboard["templating"]["list"]}
    led = set()
    for what, parts, query in to("grafana", links):
        if parts.path == "/explore":
            continue
        uid = parts.path.removeprefix("/d/")
        assert uid in variables, what
        set_here = {name.removeprefix("var-") for name in query}
        assert set_here <= variables[uid], what
        led.add((uid, *sorted(set_here)))
    assert led == {
        ("credit-lab-query", "queryid", "statement"),
        ("credit-lab-tables", "table"),
        ("credit-lab-overview", "service"),
        ("credit-lab-sessions",),
    }


def test_a_statement_without_a_queryid_is_shown_with_all_it_has(links: Links) -> None:
    """`$__all` is Grafana's word for it, so the variable must have that choice."""
    [variable] = [
        variable
        for variable in load(ROOT / "grafana/dashboards/credit-lab-query.json")["templating"][
            "list"
        ]
        if variable["name"] == "queryid"
    ]
    assert variable["includeAll"] is True
    asked = parse_qs(urlsplit(links.query(None, "customer_by_cpf")["grafana"]).query)
    assert asked["var-queryid"] == [ALL]


def test_a_trace_opens_in_grafanas_explore_with_the_lab_as_data_source(links: Links) -> None:
    file = ROOT / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    kinds = {each["uid"]: each["type"] for each in yaml.safe_load(file.read_text())["datasources"]}
    for _, parts, query in to("grafana", links):
        if parts.path != "/explore":
            continue
        [pane] = json.loads(query["panes"][0]).values()
        assert kinds[pane["datasource"]] == "jaeger"
        assert [asked["query"] for asked in pane["queries"]] == [TRACE]


def test_links_to_prometheus_ask_for_series_that_rules_record(links: Links) -> None:
    text = (ROOT / "prometheus" / "rules" / "recording.yml").read_text()
    recorded = {
        rule["record"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]
    }
    for what, parts, query in to("prometheus", links):
        assert f"{parts.scheme}://{parts.netloc}" == links.console, what
        [expression] = query["expr"]
        assert parts.path in PAGES, what
        assert metric_names(expression) <= recorded, what


def test_links_to_prometheus_open_its_own_pages_where_it_has_them(
    links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Docker PROMETHEUS_UI_URL is set; natively Debian's package has no pages, and the console draws."""
    monkeypatch.setenv("PROMETHEUS_UI_URL", "http://127.0.0.1:9091")
    own = Links.of(LabSettings.load())
    assert (links.prometheus_pages, own.prometheus_pages) == (
        "http://127.0.0.1:8088/prometheus",
        "http://127.0.0.1:9091",
    )
    window = (moment(START_MS * 1_000_000), moment((START_MS + 90_000) * 1_000_000))
    here, there = (urlsplit(each.expression("up", window)) for each in (links, own))
    assert parse_qs(here.query) == {
        "expr": ["up"],
        "from": [str(START_MS // 1000)],
        "to": [str(START_MS // 1000 + 90)],
    }
    assert (there.netloc, there.path) == ("127.0.0.1:9091", "/graph")
    assert parse_qs(there.query)["g0.range_input"] == ["90s"]


@pytest.mark.parametrize("site", SITES)
def test_links_to_datadog_lead_to_the_site_of_the_account(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a page that Datadog has, at the host that it documents for the site; ids as it counts them."""
    monkeypatch.setenv("DD_API_KEY", API_KEY)
    monkeypatch.setenv("DD_SITE", site)
    for what, parts, query in to("datadog", Links.of(with_account_links(LabSettings.load()))):
        assert f"{parts.scheme}://{parts.netloc}" == SITE_URLS[site], what
        [known] = [taken for path, taken in DATADOG.items() if re.fullmatch(path, parts.path)]
        assert query.keys() <= known, what
        if what == "span":
            assert query == {"spanID": ["255"], "timeHint": [str(START_MS)]}


def test_without_a_key_nothing_leads_to_datadog(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site alone is nobody's account."""
    monkeypatch.setenv("DD_SITE", "datadoghq.eu")
    assert list(to("datadog", Links.of(with_account_links(LabSettings.load())))) == []
