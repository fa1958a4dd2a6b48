"""A page of another origin in a real browser, against all of the lab that listens: nothing gets through.

The page sends by fetch in both modes, by forms, by images, frames and beacons. That the requests do arrive is
shown by a server of the test's own, to which the same page sends the same.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Page

from lab.foundation.readiness import await_state
from lab.stack.native.cluster import Cluster
from tests import payloads
from tests.fix_browser import Visit, visit
from tests.fix_console import RunningConsole
from tests.fix_workload import Process, cloned, running_service

WITHIN_S = 150
WAYS = ("no-cors", "cors", "form", "image", "beacon", "iframe")
ATTACK = """async ([target, method, path, ways, body]) => {
  const url = target + path;
  const quietly = (promise) => promise.catch(() => null);
  const loaded = (element, source) => new Promise((done) => {
    element.onload = element.onerror = done;
    setTimeout(done, 5000);
    element.src = source;
    document.body.append(element);
  });
  for (const way of ways) {
    const marked = url + (url.includes("?") ? "&" : "?") + "way=" + way;
    if (way === "no-cors" || way === "cors") {
      const sent = method === "GET" ? undefined : body;
      await quietly(fetch(marked, { method: way === "cors" ? method : method === "PUT" ? "POST" : method,
                                    mode: way, body: sent }));
    } else if (way === "form") {
      const frame = document.createElement("iframe");
      frame.name = "f" + Math.random();
      document.body.append(frame);
      const form = document.createElement("form");
      form.method = method === "GET" ? "get" : "post";
      form.enctype = "text/plain";
      form.action = marked;
      form.target = frame.name;
      const field = document.createElement("input");
      field.name = body;
      form.append(field);
      document.body.append(form);
      await new Promise((done) => { frame.onload = done; setTimeout(done, 5000); form.submit(); });
    } else if (way === "image") {
      await loaded(new Image(), marked);
    } else if (way === "iframe") {
      await loaded(document.createElement("iframe"), marked);
    } else {
      navigator.sendBeacon(marked, body);
    }
  }
}"""


@dataclass
class Witness:
    """A server that notes every request, and serves the attacking page."""

    port: int = 0
    requests: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def witness() -> Iterator[Witness]:
    seen = Witness()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            seen.requests.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"hi")

        do_POST = do_PUT = do_GET  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield seen
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def processes(
    cluster: Cluster, seeded_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Process]]:
    """A service and the shop, each in its real process; no simulated visitors."""
    quiet = {"rate_shop_browse": 0.0, "rate_shop_abandon": 0.0, "rate_shop_buy": 0.0}
    folder = tmp_path_factory.mktemp("attacked")
    with ExitStack() as stack:
        database = stack.enter_context(cloned(cluster, seeded_template))
        settings = database.settings.model_copy(update=quiet)
        untraced = {"DD_TRACE_ENABLED": "false"}
        yield {
            name: stack.enter_context(running_service(name, settings, folder, untraced))
            for name in ("risk", "shop")
        }


@pytest.fixture(params=["same site", "other site"])
def page(request: pytest.FixtureRequest, browser: Browser, witness: Witness) -> Iterator[Page]:
    """The attacking page: at 127.0.0.1 on another port, and at a name, which is another site."""
    host = "127.0.0.1" if request.param == "same site" else "localhost"
    person: Visit = visit(browser, f"http://{host}:{witness.port}")
    person.open("/")
    yield person.page
    person.page.context.close()


def attack(page: Page, target: str, method: str, path: str, body: str = "7") -> None:
    page.evaluate(ATTACK, [target, method, path, list(WAYS), body])


def test_the_page_does_send_all_of_it(page: Page, witness: Witness) -> None:
    """The same attack on a server without a rule arrives, in every way."""
    witness.requests.clear()
    attack(page, witness.url, "POST", "/load")

    def missing() -> str | None:
        arrived = {r.rpartition("way=")[2].rstrip("&=7") for r in witness.requests}
        absent = set(WAYS) - arrived
        return f"no request by {sorted(absent)}; {witness.requests}" if absent else None

    await_state("the attack arrives at a server without a rule", missing, within_s=WITHIN_S)


@pytest.mark.parametrize("name", ["risk", "shop"])
def test_a_page_changes_nothing_of_a_service(
    page: Page, processes: dict[str, Process], name: str
) -> None:
    """Not its load, not its delay, and it is not paused."""
    process = processes[name]
    before = process.client.health()
    target = f"http://{process.client.address}"
    for method, path in (
        ("PUT", "/load"), ("PUT", "/delay"), ("POST", "/pause"), ("POST", "/load"), ("POST", "/resume"),
    ):  # fmt: skip
        attack(page, target, method, path)
        assert process.client.health() == before, f"{method} {path}"
    assert (before["state"], before["delay_s"]) == ("running", 0.0)


def test_a_page_puts_nothing_into_the_store(page: Page, console: RunningConsole) -> None:
    """Neither what is read as JSON whatever its content type, nor a form's text."""
    event = json.loads(payloads.metrics(queryid=8))
    counts = ("lab_intake_requests_total", "lab_intake_unknown_total", "lab_intake_rejected_total")

    def counted() -> dict[str, str]:
        page_text = console.send("GET", "/metrics").body.decode()
        return {
            line.rpartition(" ")[0]: line.rpartition(" ")[2]
            for line in page_text.splitlines()
            if line.startswith(counts)
        }

    before = counted()
    for path in ("/api/v2/dbmmetrics", "/v0.5/traces", "/api/v9/anything", "/info"):
        attack(page, console.url, "POST", path, json.dumps(event))
    for path in ("/metrics", "/jaeger/api/traces?minDuration=" + "1" * 5000, "/", "/sessions"):
        attack(page, console.url, "GET", path)
    assert counted() == before


READ = """async (urls) => {
  const read = async (url) => { try { return (await fetch(url)).status; } catch { return 0; } };
  return Promise.all(urls.map(read));
}"""


def test_a_page_reads_nothing(
    page: Page, console: RunningConsole, processes: dict[str, Process]
) -> None:
    """No answer of the lab's is readable for a page of another origin."""
    targets = [f"{console.url}{path}" for path in ("/", "/metrics", "/api/drilldown/v1/queries")]
    targets += [f"http://{p.client.address}/metrics" for p in processes.values()]
    assert page.evaluate(READ, targets) == [0] * len(targets)


def test_a_name_that_was_made_to_lead_here_reads_nothing(
    launch: Callable[..., Browser],
    console: RunningConsole,
    processes: dict[str, Process],
) -> None:
    """DNS rebinding: the browser finds 127.0.0.1 under the attacker's name, and is refused by that name."""
    ports = [console.port, *(int(p.client.address.rpartition(":")[2]) for p in processes.values())]
    resolved = launch("--host-resolver-rules=MAP evil.example 127.0.0.1")
    for port in ports:
        person = visit(resolved, f"http://evil.example:{port}")
        for path in ("/", "/metrics", "/healthz"):
            assert person.open(path).status == 421
        steered = person.page.evaluate(
            "async () => (await fetch('/load', {method: 'PUT', body: '7'})).status"
        )
        assert steered == 421
        person.page.context.close()
    for process in processes.values():
        assert process.client.health()["load"] != 7


def test_a_person_follows_a_link_to_the_console(
    browser: Browser, witness: Witness, console: RunningConsole
) -> None:
    """Grafana's and Datadog's links to a trace lead there: what a person follows is answered."""
    person = visit(browser, witness.url)
    person.open("/")
    person.page.set_content(f'<a href="{console.url}/queries">the statements</a>')
    with person.page.expect_navigation() as navigation:
        person.page.get_by_role("link").click()
    assert navigation.value.status == 200
    person.page.context.close()
