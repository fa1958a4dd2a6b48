"""docker-compose.yml itself, run by a real engine and the real Compose, on stand-in images or the real ones.

Where no engine can be had this says so and proves nothing. With stand-ins the Datadog Agent and Grafana are
played (tests/standins); `./creditlab test --images real` runs the images of .env.example wherever a registry
answers, and then also shows what those two make of their configuration.
"""

import http
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser
from playwright.sync_api import TimeoutError as BrowserTimeoutError
from prometheus_client.parser import text_string_to_metric_families

from lab.clients.database import Role, connect, dsn, rows
from lab.clients.services import clients
from lab.exam.items import TEMPLATES
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT, LabSettings
from tests.fix_browser import PICTURES, visit
from tests.fix_postgres import free_port
from tests.standins.engine import Client, Engine, engine
from tests.standins.images import RegistryError, build, pull

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

PROJECT = "credit-lab-test"
LONG_RUNNING = {
    *("postgres", "proposals", "underwriting", "customers", "servicing", "risk"),
    *("datadog-agent", "postgres-exporter", "prometheus", "alertmanager", "grafana", "console"),
}
WRITTEN = (
    "credit_proposals",
    "credit_analysis",
    "credit_transactions",
    "installments",
    "audit_log",
)
CONSOLE_PAGES = ("", "traces", "queries", "sessions", "drills", "compare")
SETTLED_MS = 15_000
# A call of Compose takes half a second of a processor.
COMPOSE_S = 2.0
UP = ("up", "--detach", "--wait", "--wait-timeout", "240", "--pull", "never")


@dataclass(frozen=True, kw_only=True)
class Containers:
    """The lab in containers: Compose with the test's variables, and the settings that reach it."""

    docker: Client
    compose: Client
    settings: LabSettings
    clone: Path
    images: Mapping[str, str]
    real: bool

    def states(self) -> dict[str, dict[str, Any]]:
        """Return what `docker compose ps` tells of each service."""
        lines = self.compose.out("ps", "--all", "--format", "json").splitlines()
        return {state["Service"]: state for state in map(json.loads, lines)}

    def creditlab(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call the clone's `creditlab`, with this environment's Python instead of one of its own."""
        return subprocess.run(
            [sys.executable, "-m", "lab", *arguments],
            cwd=self.clone,
            env=self.compose.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def get(self, port: int, path: str) -> Any:
        """Return the JSON that a published port answers."""
        return json.loads(self.page(port, path))

    def page(self, port: int, path: str, **headers: str) -> str:
        """Return what a published port answers."""
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().read().decode()

    def inserted(self) -> dict[str, int]:
        """Return rows inserted so far, by table, as PostgreSQL counts them."""
        with connect(dsn(self.settings, Role.LAB)) as connection:
            return dict(rows(connection, "SELECT relname, n_tup_ins FROM pg_stat_user_tables"))


def images_for(found: Engine, directory: Path, *, real: bool) -> Mapping[str, str]:
    """Return the image of each variable of docker-compose.yml; without a registry there are no real ones."""
    if not real:
        return build(found.docker, directory)
    try:
        return pull(found.docker)
    except RegistryError as error:
        pytest.skip(f"the real images were NOT tested, no registry gives them: {error}")


@pytest.fixture(scope="module")
def containers(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Containers]:
    """The whole compose file up, on free ports, with its own project name and no .env."""
    directory = tmp_path_factory.mktemp("docker")
    with engine(directory / "engine") as found:
        if found is None:
            pytest.skip("no Docker engine")
        real = pytestconfig.getoption("--images") == "real"
        images = images_for(found, directory / "context", real=real)
        ports = {f: free_port() for f in LabSettings.model_fields if f.endswith("_port")}
        # The token that docker-compose.yml has by default.
        given = {"seed_scale": 0.1, "lab_control_token": "0" * 32, **ports}
        settings = LabSettings.model_validate(given)
        # A clone without .env, so that what is tested is what the repository holds.
        clone = directory / "clone"
        shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        shutil.copy(ROOT / ".dockerignore", clone)
        variables = {
            **{name.upper(): str(port) for name, port in ports.items()},
            **images,
            "GRAFANA_PORT": str(free_port()),
            "SEED_SCALE": "0.1",
            "DD_VERSION": "test",
            "EXAM_ONSET_S": "1",
            # Processes that a command starts import the tested tree, not the clone.
            "LAB_STATE_DIR": str(clone / ".lab"),
            "COMPOSE_PROJECT_NAME": PROJECT,
        }
        if not real:
            variables["COMPOSE_FILE"] = "docker-compose.yml:tests/standins/build-network.yml"
        own = {k: v for k, v in found.compose.environment.items() if not k.startswith("DD_")}
        compose = Client(
            argv=(
                *found.compose.argv,
                "--project-directory",
                str(clone),
                "--project-name",
                PROJECT,
            ),
            environment={**own, **variables},
        )
        containers = Containers(
            docker=found.docker,
            compose=compose,
            settings=settings,
            clone=clone,
            images=images,
            real=real,
        )
        try:
            compose.out("build", "--quiet")
            started = containers.creditlab("up", "--docker")
            assert started.returncode == 0, started.stderr
            assert "datadog: local mode: nothing leaves this machine" in started.stdout
            yield containers
        finally:
            if real:
                keep("containers.log", compose.run("logs", "--no-color", "--timestamps").stdout)
            compose.run("down", "--volumes", "--timeout", "20")


def keep(name: str, text: str) -> None:
    """Keep what the real images wrote beside the pictures of their pages: the weekly run uploads both."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / name).write_text(text, encoding="utf-8")


def test_everything_is_healthy_and_the_seed_has_ended_well(containers: Containers) -> None:
    states = containers.states()
    assert {name for name, state in states.items() if state["Health"] == "healthy"} == LONG_RUNNING
    assert states["seed"]["ExitCode"] == 0
    assert "all roles can log in" in containers.compose.out("logs", "seed")


def test_a_second_up_changes_nothing(containers: Containers) -> None:
    """The seed looks again and finds its data; no container is made anew."""
    before = {name: state["ID"] for name, state in containers.states().items()}
    containers.compose.out(*UP)
    assert {name: state["ID"] for name, state in containers.states().items()} == before
    assert "already loaded" in containers.compose.out("logs", "seed")


def test_status_tells_it_in_the_words_of_native_mode(containers: Containers) -> None:
    """What runs decides the mode: nobody has to say --docker again."""
    reported = containers.creditlab("status", "--json")
    assert reported.returncode == 0, reported.stderr
    status = json.loads(reported.stdout)
    assert (status["mode"], status["ready"]) == ("docker", True)
    components = {component["name"]: component for component in status["components"]}
    assert {component["state"] for component in components.values()} == {"running"}
    assert {"postgres", "postgres_exporter", "prometheus", "grafana"} < components.keys()
    assert "(local mode: nothing leaves this machine" in components["datadog"]["version"]


def test_a_native_lab_is_refused_beside_containers(containers: Containers) -> None:
    reported = containers.creditlab("up", "--native")
    assert reported.returncode == 2
    assert "./creditlab down --docker" in reported.stderr


def test_logs_show_a_service_and_the_servers_own_files(containers: Containers) -> None:
    assert "listening on port 8005" in containers.creditlab("logs", "risk").stdout
    # By words, because a terminal's tabs are spaces.
    shown = containers.creditlab("logs", "postgres").stdout.split()
    read = "cat /var/run/postgresql/*.log"
    written = containers.compose.out("exec", "-T", "postgres", "sh", "-c", read).split()
    assert shown
    assert " ".join(shown) in " ".join(written)
    assert "no component" in containers.creditlab("logs", "supervisord").stderr


def test_every_published_port_is_on_loopback_and_answers(containers: Containers) -> None:
    settings = containers.settings
    for client in clients(settings):
        assert client.health()["state"] == "running"
    assert containers.get(settings.prometheus_port, "/api/v1/status/runtimeinfo")
    published = [
        publisher
        for state in containers.states().values()
        for publisher in state["Publishers"] or ()
        if publisher["PublishedPort"]
    ]
    assert len(published) == 11
    assert {publisher["URL"] for publisher in published} == {"127.0.0.1"}


def unseen_targets(containers: Containers, number: int) -> str | None:
    """Probe: None when Prometheus has scraped so many targets, and knows of no other."""
    page = containers.get(containers.settings.prometheus_port, "/api/v1/targets?state=active")
    targets = page["data"]["activeTargets"]
    down = [f"{t['scrapeUrl']} {t['lastError']}" for t in targets if t["health"] != "up"]
    return (
        None if len(targets) == number and not down else f"{len(targets)} targets, not up: {down}"
    )


def test_prometheus_scrapes_every_target(containers: Containers) -> None:
    await_state("eight targets are up", partial(unseen_targets, containers, 8), within_s=120)


def idle_tables(containers: Containers, before: dict[str, int]) -> str | None:
    """Probe: None when each table that operations insert into has grown."""
    now = containers.inserted()
    idle = [table for table in WRITTEN if now[table] <= before[table]]
    return f"no new row in {', '.join(idle)}" if idle else None


@contextmanager
def busy(containers: Containers) -> Iterator[None]:
    """Multiply the load by ten for the length of a block: what happens rarely need not be awaited."""
    services = list(clients(containers.settings))
    for client in services:
        client.set_load(10)
    yield
    for client in services:
        client.set_load(1)


def test_traffic_reaches_every_table(containers: Containers) -> None:
    before = containers.inserted()
    with busy(containers):
        await_state("every table grows", partial(idle_tables, containers, before), within_s=150)


def test_the_books_and_the_counters_agree(containers: Containers) -> None:
    reported = containers.creditlab("verify", "--json")
    assert reported.returncode == 0, reported.stdout + reported.stderr
    assert json.loads(reported.stdout)["ok"] is True


def test_the_database_has_what_the_observers_need(containers: Containers) -> None:
    reported = containers.creditlab("doctor")
    assert reported.returncode == 0, reported.stdout + reported.stderr


def test_every_collector_of_the_exporter_succeeds(containers: Containers) -> None:
    """Without idle sessions `process_idle` fails in every version."""

    def failing() -> str | None:
        page = containers.page(containers.settings.exporter_port, "/metrics")
        success = {
            s.labels["collector"]: s.value
            for f in text_string_to_metric_families(page)
            for s in f.samples
            if s.name == "pg_scrape_collector_success"
        }
        failed = {name for name, value in success.items() if not value} - {"process_idle"}
        return None if success and not failed else f"failing: {failed} of {sorted(success)}"

    await_state("every collector succeeds", failing, within_s=150)


def test_no_rule_of_prometheus_fails(containers: Containers) -> None:
    def failing() -> str | None:
        groups = containers.get(containers.settings.prometheus_port, "/api/v1/rules")["data"]
        states = {
            r["name"]: (r["health"], r.get("lastError"))
            for g in groups["groups"]
            for r in g["rules"]
        }
        failed = {name: state for name, state in states.items() if state[0] != "ok"}
        return None if states and not failed else f"of {len(states)} rules: {failed}"

    await_state("every rule was evaluated without an error", failing, within_s=150)


@pytest.fixture
def played(containers: Containers) -> Containers:
    """The lab in containers, if its Agent is the stand-in, which can be asked what it received."""
    if containers.real:
        pytest.skip("asks the Agent's stand-in")
    return containers


@pytest.fixture
def real_images(containers: Containers) -> Containers:
    """The lab in containers, if it runs the real images."""
    if not containers.real:
        pytest.skip("needs the real images: ./creditlab test --images real")
    return containers


def test_grafana_has_loaded_every_dashboard_and_data_source(real_images: Containers) -> None:
    login = b64encode(b"admin:admin").decode()
    port = int(real_images.compose.environment["GRAFANA_PORT"])

    def uids(path: str) -> set[str]:
        answer = real_images.page(port, path, Authorization=f"Basic {login}")
        return {found["uid"] for found in json.loads(answer)}

    assert uids("/api/search?type=dash-db") == {
        file.stem for file in (ROOT / "grafana" / "dashboards").glob("*.json")
    }
    provisioned = (ROOT / "grafana/provisioning/datasources").glob("*.yml")
    assert uids("/api/datasources") == {
        source["uid"]
        for file in provisioned
        for source in yaml.safe_load(file.read_text())["datasources"]
    }
    log = real_images.compose.out("logs", "--no-log-prefix", "grafana")
    assert [line for line in log.splitlines() if "level=error" in line] == []


def agent_complaints(containers: Containers) -> str | None:
    """Probe: None when both checks of the Agent run without an error or a warning.

    The Agent starts before the services, so that openmetrics finds none at first; PostgreSQL is there.
    """
    reported = containers.compose.run("exec", "-T", "datadog-agent", "agent", "status", "--json")
    if reported.returncode:
        return reported.stderr[-500:]
    checks = json.loads(reported.stdout)["runnerStats"]["Checks"]
    found = {name: list(checks.get(name, {}).values()) for name in ("postgres", "openmetrics")}
    numbers = {name: len(instances) for name, instances in found.items()}
    if numbers != {"postgres": 1, "openmetrics": 5}:
        return f"instances: {numbers}"
    bad = [
        (one["CheckName"], one["LastError"], one["LastWarnings"])
        for name, instances in found.items()
        for one in instances
        if one["LastError"]
        or one["LastWarnings"]
        or one["TotalRuns"] == one["TotalErrors"]
        or (name == "postgres" and one["TotalErrors"])
    ]
    return str(bad) if bad else None


def test_the_checks_of_the_agent_run_without_errors(real_images: Containers) -> None:
    await_state("the Agent's checks are OK", partial(agent_complaints, real_images), within_s=120)


def test_spans_and_events_come_from_the_agent(real_images: Containers) -> None:
    """Traces in the Agent's protobuf and the three tracks of DBM reach the console's store."""

    def missing() -> str | None:
        streams = ("traces_agent", "dbm_metrics", "dbm_samples", "dbm_activity")
        items = {s: console_sum(real_images, "lab_intake_items_total", stream=s) for s in streams}
        return None if all(items.values()) else str(items)

    await_state("every stream of the Agent has items", missing, within_s=120)
    assert console_sum(real_images, "lab_dbm_statement_calls_total", source="agent") > 0
    assert console_sum(real_images, "lab_dbm_statement_calls_total", source="embedded") == 0


def test_pictures_of_grafana_and_the_console_are_kept(
    real_images: Containers, request: pytest.FixtureRequest
) -> None:
    """Grafana's dashboards and the console's pages, as a reader sees them, in .lab/pictures."""
    browser: Browser = request.getfixturevalue("browser")
    grafana = int(real_images.compose.environment["GRAFANA_PORT"])
    console = real_images.settings.console_port
    dashboards = [file.stem for file in sorted((ROOT / "grafana" / "dashboards").glob("*.json"))]
    pages = [
        *((f"grafana-{uid}", grafana, f"/d/{uid}?kiosk") for uid in dashboards),
        *((f"console-{name or 'overview'}", console, f"/{name}") for name in CONSOLE_PAGES),
    ]
    headers = {
        grafana: f"Basic {b64encode(b'admin:admin').decode()}",
        console: f"Bearer {'0' * 32}",
    }
    for name, port, path in pages:
        seen = visit(browser, f"http://127.0.0.1:{port}")
        try:
            seen.page.set_extra_http_headers({"Authorization": headers[port]})
            assert seen.open(path).status == http.HTTPStatus.OK, path
            # A dashboard asks for its data after it has loaded; one that refreshes is never idle for long.
            with suppress(BrowserTimeoutError):
                seen.page.wait_for_load_state("networkidle", timeout=SETTLED_MS)
            assert seen.keep_picture(name).stat().st_size > 0
        finally:
            seen.page.context.close()
    status = real_images.compose.run("exec", "-T", "datadog-agent", "agent", "status")
    keep("agent-status.txt", status.stdout + status.stderr)


def silent_services(containers: Containers) -> str | None:
    """Probe: None when the Agent's stand-in has spans of all five services."""
    ask = "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:8126/received\").read().decode())'"
    received = json.loads(containers.compose.out("exec", "-T", "datadog-agent", "sh", "-c", ask))
    return None if len(received) == 5 else f"spans of {sorted(received)}"


def test_each_service_sends_its_spans_to_the_agent(played: Containers) -> None:
    with busy(played):
        await_state(
            "five services send spans",
            partial(silent_services, played),
            within_s=120,
            every_s=COMPOSE_S,
        )


def test_the_agent_says_that_it_is_in_local_mode(containers: Containers) -> None:
    assert "LOCAL MODE" in containers.compose.out("logs", "datadog-agent")


def test_the_agent_reads_the_log_and_not_the_data(containers: Containers) -> None:
    """The volume with the log is there, readable for the Agent's user; PostgreSQL's data are not."""
    listed = containers.compose.out(
        "exec", "-T", "datadog-agent", "ls", "-R", "/var/log/postgresql"
    )
    assert ".log" in listed
    assert "PG_VERSION" not in listed
    containers.compose.out(
        "exec", "-T", "datadog-agent", "sh", "-c", "cat /var/log/postgresql/*.log"
    )


def test_the_agent_keeps_its_position_in_the_log(containers: Containers) -> None:
    """Its run directory, where the position is, is a volume that the Agent's user can write."""
    file = "/opt/datadog-agent/run/written"
    containers.compose.out("exec", "-T", "datadog-agent", "sh", "-c", f"touch {file} && rm {file}")


def console_sum(containers: Containers, metric: str, **labels: str) -> float:
    """Return the sum of a metric of the console over all series with these labels."""
    port = containers.settings.console_port
    page = containers.page(port, "/metrics", Authorization=f"Bearer {'0' * 32}")
    samples = (s for f in text_string_to_metric_families(page) for s in f.samples)
    return sum(s.value for s in samples if s.name == metric and labels.items() <= s.labels.items())


def unread_log(containers: Containers) -> str | None:
    """Probe: None when the console has read lines of PostgreSQL's log."""
    return None if console_sum(containers, "lab_log_lines_total") > 0 else "no line read"


def test_the_console_follows_the_log(containers: Containers) -> None:
    await_state("the console reads the log", partial(unread_log, containers), within_s=120)


def ungraded(containers: Containers, exam: str) -> str | None:
    """Probe: None when the exam has a result."""
    done = containers.creditlab("exam", "report", exam, "--json")
    return None if done.returncode == 0 else done.stderr


def test_an_exam_closes_the_console_and_takes_its_answer(containers: Containers) -> None:
    """The exam process is on the host, and the console has its files in a volume."""
    port, token = containers.settings.console_port, {"Authorization": f"Bearer {'0' * 32}"}
    healthy = next(number for number, each in enumerate(TEMPLATES) if not each.faults)
    started = containers.creditlab(
        "exam", "start", "--item", str(healthy), "--with", "log", "--json"
    )
    assert started.returncode == 0, started.stderr
    exam = json.loads(started.stdout)["exam"]
    assert "Closed in this exam" in containers.page(port, "/api/drilldown/sessions", **token)
    assert "Evidence of log alone" in containers.page(port, "/exam/evidence/log", **token)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        form = {"Content-Type": "application/x-www-form-urlencoded", **token}
        connection.request("POST", "/exam/answer", "kind=nothing&confidence=90", form)
        assert connection.getresponse().status == http.HTTPStatus.SEE_OTHER
    await_state("the exam is graded", partial(ungraded, containers, exam), within_s=240)
    result = json.loads(containers.creditlab("exam", "report", exam, "--json").stdout)
    assert result["grade"]["score"] > 0.9, result["grade"]
    assert [each["what"] for each in result["log"]["requests"]] == ["/exam/evidence/log"]
    assert "Second by second" in containers.page(port, f"/exam/{exam}", **token)
    assert "Closed in this exam" not in containers.page(port, "/api/drilldown/sessions", **token)


def test_the_agent_is_told_to_send_to_the_console_and_nowhere_else(played: Containers) -> None:
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8126/environment').read().decode())"
    reported = played.compose.out("exec", "-T", "datadog-agent", "python3", "-c", ask)
    urls = {v for name, v in json.loads(reported).items() if name.endswith("_URL")}
    assert urls == {"http://console:8088"}


def test_nobody_is_root_and_nobody_can_write_what_he_need_not(containers: Containers) -> None:
    for name in LONG_RUNNING - {"datadog-agent"}:
        assert containers.compose.out("exec", "-T", name, "id", "-u").strip() != "0", name
        assert containers.compose.run("exec", "-T", name, "touch", "/written").returncode != 0, name


def unwell(containers: Containers) -> str | None:
    """Probe: None when all are healthy."""
    sick = {
        name: state["Status"]
        for name, state in containers.states().items()
        if name in LONG_RUNNING and state["Health"] != "healthy"
    }
    return str(sick) if sick else None


def test_each_container_comes_back_after_its_process_was_killed(containers: Containers) -> None:
    """`unless-stopped` restarts what died, and the rest survives it."""
    if os.geteuid() != 0:
        pytest.skip("only root may kill a container's process from outside")
    states = containers.states()
    for name in sorted(LONG_RUNNING):
        identity = states[name]["ID"]
        pid = containers.docker.out("inspect", "--format", "{{.State.Pid}}", identity).strip()
        os.kill(int(pid), 9)
    await_state(
        "all are healthy again", partial(unwell, containers), within_s=120, every_s=COMPOSE_S
    )
    before = containers.inserted()
    await_state("every table grows again", partial(idle_tables, containers, before), within_s=150)


def test_a_service_that_is_not_asked_for_is_gone_and_not_down(containers: Containers) -> None:
    """With one service and the shop Prometheus scrapes these, the exporter, the console and itself."""
    reported = containers.creditlab("up", "--docker", "--services", "risk", "--shop")
    assert reported.returncode == 0, reported.stderr
    states = containers.states()
    assert LONG_RUNNING - states.keys() == {"proposals", "underwriting", "customers", "servicing"}
    assert states["shop"]["Health"] == "healthy"
    await_state("five targets are up", partial(unseen_targets, containers, 5), within_s=120)


def test_the_shop_is_open_and_its_carts_are_rows(containers: Containers) -> None:
    """A page for people, and visitors whose additions are INSERTs; `verify` counts both."""
    with closing(
        http.client.HTTPConnection("127.0.0.1", containers.settings.shop_port, timeout=60)
    ) as shop:
        shop.request("GET", "/")
        assert b"<html" in shop.getresponse().read()
    before = containers.inserted()
    assert "order_items" in before

    def empty() -> str | None:
        return None if containers.inserted()["order_items"] > before["order_items"] else "no cart"

    await_state("somebody fills a cart", empty, within_s=150)
    checks = {
        c["name"]: c for c in json.loads(containers.creditlab("verify", "--json").stdout)["checks"]
    }
    assert checks["shop.cart_additions"]["ok"] is True


def test_a_wrong_password_on_existing_data_names_the_way_out(containers: Containers) -> None:
    """The seed job ends with status 2 and a message, and no service is started on it."""
    done = containers.compose.run("run", "--rm", "--no-deps", "seed", EXPORTER_DB_PASSWORD="other")
    assert done.returncode == 2
    assert "refuses the password in EXPORTER_DB_PASSWORD" in done.stderr
    assert "docker compose down -v" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_malformed_key_names_the_way_out(containers: Containers) -> None:
    done = containers.compose.run("run", "--rm", "--no-deps", "datadog-agent", DD_API_KEY="short")
    assert done.returncode == 78
    assert "32 of 0-9 and a-f" in done.stderr


def test_the_image_holds_the_workload_and_little_else(containers: Containers) -> None:
    """Under 200 MB on top of its base; no installer, no lab, no .env; labelled."""
    inspected = containers.docker.out("image", "inspect", "credit-lab-workload:test")
    [image] = json.loads(inspected)
    python = containers.images["PYTHON_IMAGE"]
    [base] = json.loads(containers.docker.out("image", "inspect", python))
    assert image["Size"] - base["Size"] < 200e6
    assert image["Config"]["User"] == "credit"
    assert image["Config"]["Labels"]["org.opencontainers.image.version"] == "test"
    listed = containers.compose.out("exec", "-T", "risk", "ls", "-A", "/opt/credit-lab")
    assert listed.split() == ["workload"]


def test_down_with_volumes_leaves_nothing(containers: Containers) -> None:
    """Last: no container, volume or network of the project remains."""
    reported = containers.creditlab("down", "--wipe")
    assert reported.returncode == 0, reported.stderr
    label = f"label=com.docker.compose.project={PROJECT}"
    for kind in ("container", "volume", "network"):
        all_of_them = ("--all",) if kind == "container" else ()
        listed = containers.docker.out(kind, "ls", *all_of_them, "--quiet", "--filter", label)
        assert listed == "", kind


def test_a_taken_port_is_named_and_nothing_stays(containers: Containers) -> None:
    """Somebody else listens: `up` says which setting chooses another port, and takes back its start."""
    port = containers.settings.postgres_port
    with socket.create_server(("127.0.0.1", port)):
        reported = containers.creditlab("up", "--docker")
    assert reported.returncode == 2
    assert (
        f"Port {port} is in use on this machine: set another with POSTGRES_PORT" in reported.stderr
    )
    assert containers.states() == {}
