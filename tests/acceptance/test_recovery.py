"""PostgreSQL is killed under load, again and again: the services come back, nothing is lost or doubled.

The lab has the shop, too, which is one more that must come back with its books in order.
"""

import html
import os
import re
import signal
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from time import monotonic

import psutil
import pytest

from lab.clients.database import Role, connect, dsn, rows
from lab.clients.http import NoResponseError, send
from lab.clients.services import ServiceUnreachableError, clients
from lab.drilldown import Drilldown, Search
from lab.drilldown.trace import Trace
from lab.foundation.readiness import await_state
from lab.stack import probes
from tests.fix_lab import Further, Lab

pytestmark = pytest.mark.acceptance

LOAD = "10"
RETURN_SECONDS = 150
WORK = 10
PAGES = 40
PAGE_SECONDS = 150
NAMES = 50
LINK = re.compile(r'href="(/(?!static)[^"#]*)')
# Whatever could be a CPF or a telephone number.
PERSONAL = re.compile(rb"(?<!\d)\d{11}(?!\d)|\+55 \d\d \d{9}")


# Visits per second, which LOAD multiplies: with it, about the shop's default.
VISITS = {"RATE_SHOP_BROWSE": "0.02", "RATE_SHOP_ABANDON": "0.03", "RATE_SHOP_BUY": "0.07"}


@pytest.fixture(scope="module")
def further() -> Further:
    """The shop."""
    return Further(options=("--shop",), variables=VISITS)


def acknowledged(lab: Lab) -> dict[str, float]:
    """Return how many operations each service has finished well so far."""
    done = {}
    for client in clients(lab.settings):
        try:
            samples = client.samples()
        except ServiceUnreachableError:
            samples = []
        done[client.name] = sum(
            sample.value
            for sample in samples
            if sample.name == "credit_operations_total" and sample.labels["outcome"] == "ok"
        )
    return done


def more_than(before: dict[str, float], by: float, lab: Lab) -> str | None:
    """Probe: None when every service but the slow reports has finished `by` more operations."""
    now = acknowledged(lab)
    late = [name for name in before if name != "risk" and now[name] <= before[name] + by]
    return f"no progress in {', '.join(late)}" if late else None


def another_than(pid: int, lab: Lab) -> str | None:
    """Probe: None when the last postmaster started is not this one."""
    return None if lab.pid("postgres") != pid else f"{pid} was the last to start"


@pytest.mark.timeout(0)  # Each wait below has its deadline; how many there are, --kills decides.
def test_kills_under_load_lose_nothing(lab: Lab, request: pytest.FixtureRequest) -> None:
    """After each kill -9 under load the services resume, and every counter stays exact; prints the median."""
    kills, resumed = request.config.getoption("kills"), list[float]()
    assert lab.run("up", "--load", LOAD).returncode == 0
    for _ in range(kills):
        await_state(
            "the services work", partial(more_than, acknowledged(lab), WORK, lab), within_s=60
        )
        killed = lab.pid("postgres")
        os.kill(killed, signal.SIGKILL)
        await_state(
            "another postmaster runs",
            partial(another_than, killed, lab),
            within_s=RETURN_SECONDS,
        )
        await_state(
            "postgres answers again", partial(probes.query, lab.settings), within_s=RETURN_SECONDS
        )
        returned = monotonic()
        await_state(
            "the services resume",
            partial(more_than, acknowledged(lab), 0, lab),
            within_s=RETURN_SECONDS,
        )
        resumed.append(monotonic() - returned)
    # What follows needs some work of the services, and not all that the machine can do.
    assert lab.run("up", "--load", "1").returncode == 0
    report = lab.json("verify")
    assert report["ok"] is True, [check for check in report["checks"] if not check["ok"]]
    print(
        f"{kills} kills, {len(report['checks'])} checks; resumed after {median(resumed):.1f} s (median)"
    )
    checks = {check["name"]: check for check in report["checks"]}
    assert int(checks["acknowledged.servicing.pay"]["actual"]) > kills * WORK / 2
    # One addition is one INSERT, one checkout is one UPDATE, one paid on credit is one proposal.
    shop = [checks[f"shop.{what}"] for what in ("cart_additions", "checkouts", "proposals")]
    assert all(check["expected"] == check["actual"] for check in shop)
    assert sum(int(check["actual"]) for check in shop) > 0


def test_the_shop_is_scraped_and_traced_as_the_services_are(lab: Lab) -> None:
    """Its target is up in Prometheus; in the console a visit leads by its request to its statements."""
    drilldown = Drilldown.of(lab.settings)

    def scraped() -> str | None:
        up = [series.value for series in drilldown.prometheus.now('up{service="credit-shop"}')]
        return None if up == [1] else f"up is {up}"

    def traced() -> str | None:
        lately = datetime.now(UTC) - timedelta(minutes=5)
        found = drilldown.search(
            Search(service="shop", operation="shop_buy", since=lately, limit=5)
        )
        return None if any(of_a_visit(drilldown.trace(each.trace_id)) for each in found) else "none"

    await_state("prometheus scrapes the shop", scraped, within_s=RETURN_SECONDS)
    await_state("a visit's trace is in the console", traced, within_s=RETURN_SECONDS)


def of_a_visit(trace: Trace) -> bool:
    """Whether a trace has the whole way: the visitor's operation, the pages, INSERT and UPDATE."""
    names = {span.name for span in trace.spans}
    statements = {span.statement for span in trace.statements}
    return "flask.request" in names and {"add_item", "close_cart"} <= statements


def test_no_customer_is_known_by_what_is_kept_or_shown(lab: Lab) -> None:
    """After all that: no CPF, name, address or number in the store, our logs, or the console's pages."""
    with connect(dsn(lab.settings, Role.OWNER)) as connection:
        customers = rows(connection, "SELECT cpf, full_name, email, phone FROM customers")
    files = [*(lab.state / "store").iterdir(), *(lab.state / "logs").iterdir()]
    kept = b"\n".join(file.read_bytes() for file in files)
    try:
        shown = pages(lab.settings.console_port)
    except NoResponseError as error:
        log = (lab.state / "logs" / "console.log").read_text(encoding="utf-8")
        pytest.fail(f"the console does not answer: {error}; its log ends with:\n{log[-4000:]}")
    assert len(shown) > PAGES / 2
    everything = kept + b"\n".join(shown.values())
    secrets = {value.encode() for cpf, _, _, phone in customers for value in (cpf, phone)}
    assert secrets & set(PERSONAL.findall(everything)) == set()
    # The seed's addresses are at domains that nothing else in the lab writes of.
    domains = {"@" + email.partition("@")[2] for _, _, email, _ in customers}
    names = {name for _, name, _, _ in customers[:NAMES]}
    assert [text for text in domains | names if text.encode() in everything] == []


def pages(port: int) -> dict[str, bytes]:
    """Return pages of the console by their paths, as far as links lead, and what it tells machines."""
    found: dict[str, bytes] = {}
    ahead = ["/", "/healthz", "/metrics"]
    while ahead and len(found) < PAGES:
        path = ahead.pop(0)
        found[path] = send("GET", "127.0.0.1", port, path, timeout_s=PAGE_SECONDS).body
        links = {html.unescape(link) for link in LINK.findall(found[path].decode())}
        ahead += sorted(links - found.keys() - set(ahead))
    return found


def test_nothing_is_left_after_down(lab: Lab) -> None:
    """After `down --wipe` no process of the lab runs and its directory is gone."""
    components = lab.json("status")["components"]
    pids = [component["pid"] for component in components]
    assert all(pids)
    assert lab.run("down", "--wipe").returncode == 0
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert not any(lab.state.iterdir()) if lab.state.exists() else True
