"""Every dashboard as a running Grafana draws it: no panel with an error, links that open, a picture of each.

Grafana (AGPL) is neither fetched nor started by tests. Start a lab with one, `./creditlab up --docker`, and a
fault such as `./creditlab drill run row-lock-chain`, then:

    CREDITLAB_GRAFANA_URL=http://127.0.0.1:3001 ./creditlab test tests/integration/test_grafana_pictures.py

CREDITLAB_GRAFANA_LOGIN is `user:password`, by default `admin:admin`. The pictures are in .lab/pictures.
"""

import base64
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from playwright.sync_api import Browser, Page

from lab.foundation.settings import ROOT
from tests.dashboards import FILES, load, panels, placed
from tests.fix_browser import PATIENCE_MS, visit

ADDRESS, LOGIN = "CREDITLAB_GRAFANA_URL", "CREDITLAB_GRAFANA_LOGIN"
SOURCES = yaml.safe_load((ROOT / "grafana/provisioning/datasources/prometheus.yml").read_text())
# Of Grafana 10 to 13.
ERROR = "[data-testid='data-testid Panel status error'], [aria-label='Panel status error']"
LOADING = "[aria-label='Panel loading bar'], [data-testid='data-testid panel loading bar']"
PANEL_HEIGHT = 38


@dataclass(frozen=True, kw_only=True)
class Grafana:
    """A Grafana that runs, and the header of a login."""

    url: str
    authorization: str

    def get(self, path: str) -> Any:
        """Return the JSON of an API."""
        headers = {"Authorization": self.authorization}
        request = urllib.request.Request(f"{self.url}{path}", headers=headers)  # noqa: S310 - the caller's
        with urllib.request.urlopen(request, timeout=PATIENCE_MS / 1000) as answer:  # noqa: S310
            return json.loads(answer.read())


# Of the session: requested before the browser, it skips before one is started.
@pytest.fixture(scope="session")
def grafana() -> Grafana:
    """The Grafana whose address the environment has."""
    address = os.environ.get(ADDRESS, "").rstrip("/")
    if not address:
        pytest.skip(f"{ADDRESS} is not set: no Grafana to draw the dashboards")
    login = base64.b64encode(os.environ.get(LOGIN, "admin:admin").encode()).decode()
    found = Grafana(url=address, authorization=f"Basic {login}")
    try:
        found.get("/api/org")
    except urllib.error.URLError as error:
        pytest.fail(f"{ADDRESS} is {address}, and Grafana's API does not answer there: {error}")
    return found


def test_grafana_reaches_every_data_source(grafana: Grafana) -> None:
    """Prometheus, and the console by Jaeger's and by Loki's API."""
    for source in SOURCES["datasources"]:
        health = grafana.get(f"/api/datasources/uid/{source['uid']}/health")
        assert health["status"] == "OK", f"{source['name']}: {health}"


def test_grafana_has_every_dashboard_and_correlation_as_provisioned(grafana: Grafana) -> None:
    for file in FILES:
        found = grafana.get(f"/api/dashboards/uid/{file.stem}")["dashboard"]
        assert [one["title"] for one in placed(found)] == [
            one["title"] for one in placed(load(file))
        ]
    labels = {one["label"] for one in grafana.get("/api/datasources/correlations")["correlations"]}
    expected = {
        c["label"] for source in SOURCES["datasources"] for c in source.get("correlations", [])
    }
    assert labels >= expected


def test_every_dashboard_is_drawn_without_an_error(grafana: Grafana, browser: Browser) -> None:
    """Collapsed rows included: the page is as high as all of its panels. Each is kept as a picture."""
    failing: dict[str, list[str]] = {}
    for file in FILES:
        seen = visit(browser, grafana.url)
        page = seen.page
        page.context.set_extra_http_headers({"Authorization": grafana.authorization})
        dashboard = load(file)
        height = sum(panel["gridPos"]["h"] for panel in panels(dashboard)) * PANEL_HEIGHT
        page.set_viewport_size({"width": 1440, "height": min(height, 12_000)})
        seen.open(f"/d/{file.stem}?kiosk")
        page.get_by_text(panels(dashboard)[0]["title"], exact=True).first.wait_for()
        page.wait_for_function(f"document.querySelectorAll(`{LOADING}`).length === 0")
        seen.keep_picture(file.stem)
        failing[file.stem] = [one.inner_text() for one in page.locator(ERROR).all()]
        failing[file.stem] += unopened(page, grafana)
        page.context.close()
    assert {name: found for name, found in failing.items() if found} == {}


def unopened(page: Page, grafana: Grafana) -> list[str]:
    """Return the links of a page to Grafana and to the lab that do not open; others are another's servers."""
    own = urlsplit(grafana.url).hostname
    found = {str(link.get_attribute("href")) for link in page.locator("a[href]").all()}
    absolute = {url if "://" in url else f"{grafana.url}{url}" for url in found if url[:1] != "#"}
    opened = {
        url: page.request.get(url).status for url in absolute if urlsplit(url).hostname == own
    }
    return [f"{url}: {status}" for url, status in opened.items() if status >= 400]
