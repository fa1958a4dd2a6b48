"""Every link that a page, a command or the README shows, opened on a native lab."""

import re
from collections.abc import Iterator
from html import unescape
from http import HTTPStatus
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import Request, urlopen

import pytest

from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from tests.fix_lab import Lab

pytestmark = pytest.mark.acceptance

HREF = re.compile(r'<(?:a|link|script)\b[^>]*?(?:href|src)="([^"]+)"')
URL = re.compile(r"http://127\.0\.0\.1:\d+[^\s`)>\"'\]]*")
# One page of a kind is enough: ids and queries are cut out of an address to name its kind.
ID = re.compile(r"[0-9a-f]{12,32}|-?\d{6,20}|(?<=/queries/)[a-z_]+")
# Each prints links of its own; all are quick.
COMMANDS = (("status",), ("trace",), ("queries",), ("sessions",), ("drill", "list"), ("--help",))
# Addresses of the default lab, as documents name them, by setting.
PORTS = {8088: "console_port", 9187: "exporter_port", 8001: "proposals_port"}


def get(url: str) -> tuple[int, str]:
    """Return status and text of a page, as for a browser."""
    try:
        request = Request(url, headers={"Accept": "text/html"})  # noqa: S310 - http on loopback
        with urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, answer.read().decode(errors="replace")
    except HTTPError as error:
        return error.code, ""


def kind(url: str) -> str:
    """Return what kind of page an address is of."""
    parts = urlsplit(url)
    names = sorted(re.findall(r"(?:^|&)(\w+)=", parts.query))
    return f"{parts.netloc}{ID.sub('ID', parts.path)}?{','.join(names)}"


def crawl(start: str) -> Iterator[tuple[str, str, int]]:
    """Yield each link below a page: the page that shows it, the link, and the status of its target."""
    pending, seen = [("", start)], {kind(start)}
    while pending:
        page, url = pending.pop()
        status, text = get(url)
        yield page, url, status
        if urlsplit(url).netloc != urlsplit(start).netloc or "/static/" in url:
            continue
        for href in HREF.findall(text):
            target = urljoin(url, unescape(href)).partition("#")[0]
            if kind(target) not in seen:
                seen.add(kind(target))
                pending.append((url, target))


def test_every_link_of_the_console_opens(lab: Lab) -> None:
    """Followed from the overview: pages of traces, executions, statements, expressions and time ranges."""
    base = f"http://127.0.0.1:{lab.settings.console_port}"
    opened = list(crawl(base + "/"))
    assert [each for each in opened if each[2] != HTTPStatus.OK] == []
    paths = {ID.sub("ID", urlsplit(url).path) for _, url, _ in opened}
    assert {"/traces/ID", "/queries/ID", "/prometheus", "/sessions", "/drills"} <= paths
    assert {urlsplit(url).hostname for _, url, _ in opened} == {"127.0.0.1"}


def test_every_link_that_a_command_prints_opens(lab: Lab) -> None:
    shown = {"up": set(URL.findall(lab.run("up").stdout))}
    for command in COMMANDS:
        done = lab.run(*command)
        assert done.returncode == 0, done.stderr
        shown[" ".join(command)] = set(URL.findall(done.stdout))
    assert f"http://127.0.0.1:{lab.settings.console_port}/prometheus" in shown["up"]
    opened = {(name, url, get(url)[0]) for name, urls in shown.items() for url in urls}
    assert {each for each in opened if each[2] != HTTPStatus.OK} == set()


def test_a_healthy_lab_has_no_component_in_red(lab: Lab) -> None:
    """Also with both counters of a collector in Prometheus, whose sum must not be refused."""
    address = f"http://127.0.0.1:{lab.settings.console_port}/"

    def red() -> str | None:
        """On a busy machine one answer may come late."""
        return "a component is down" if "state down" in get(address)[1] else None

    await_state("no component is in red", red, within_s=150, every_s=1.0)


@pytest.mark.parametrize("document", ["README.md", "docs/console.md"])
def test_local_links_of_documents_open(lab: Lab, document: str) -> None:
    """The default ports stand for those of the lab under test; Grafana and Prometheus' pages need Docker."""
    text = (ROOT / document).read_text(encoding="utf-8")
    for url in set(URL.findall(text)):
        parts = urlsplit(url.rstrip(".,:"))
        if parts.port in PORTS:
            port = getattr(lab.settings, PORTS[parts.port])
            assert get(f"http://127.0.0.1:{port}{parts.path}")[0] == HTTPStatus.OK, url


def test_the_tour_runs_its_five_steps_without_a_terminal(lab: Lab) -> None:
    """With a short incident; each step names its page in the console."""
    done = lab.run("tour", "--incident", "6", "--lang", "pt")
    assert done.returncode == 0, done.stdout + done.stderr
    for number in range(1, 6):
        assert f"{number}/5 " in done.stdout
    assert f"http://127.0.0.1:{lab.settings.console_port}/drills" in done.stdout
    assert "credit_app" in done.stdout
