"""Rules of the stack at their boundaries: states, probes, options of `up`, Prometheus' files, supervision."""

import json
import stat
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from pydantic import SecretStr
from supervisor.states import ProcessStates

from lab.foundation.errors import LabError
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack import components, probes
from lab.stack.collector_failures import CollectorFailures
from lab.stack.components import COMPONENTS, SERVICES
from lab.stack.intake_rates import IntakeRates
from lab.stack.native.supervision import SupervisedProcess, SupervisionError, Supervisor, configure
from lab.stack.ports import PortTakenError, require_free
from lab.stack.prometheus_configuration import (
    configure_alertmanager,
    exporter_timeout,
    write_docker_targets,
    write_targets,
)  # fmt: skip
from lab.stack.status import ComponentStatus, State, Status
from lab.stack.up_options import UpOptions
from tests.fix_postgres import free_port
from workload.http_server import serve

Pages = dict[str, tuple[str, str]]


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    return LabSettings(_env_file=None, lab_state_dir=tmp_path)


@pytest.fixture
def serving() -> Callable[[Pages], int]:
    """Serves pages, by path the status and the body; returns the port."""

    def one(pages: Pages) -> int:
        def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            status, body = pages[environ["PATH_INFO"]]
            start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
            return [body.encode()]

        port = free_port()
        serve(application, address="127.0.0.1", port=port, setting="X")
        return port

    return one


@pytest.mark.parametrize(
    ("version", "arguments"),
    [("0.15.0", ()), ("0.18.9", ()), ("0.19.0", ("--collection-timeout=9s",)),
     ("0.19", ("--collection-timeout=9s",)), ("1.0.0", ("--collection-timeout=9s",))],
)  # fmt: skip
def test_an_exporter_from_0_19_on_has_a_timeout(version: str, arguments: tuple[str, ...]) -> None:
    assert exporter_timeout(version) == arguments


def test_prometheus_targets_have_addresses_and_labels(
    settings: LabSettings, tmp_path: Path
) -> None:
    """One file for each job, readable by every user; without an Alertmanager its list is empty."""
    write_targets(tmp_path, settings, {"risk": 18005, "shop": 15000})
    files = {file.stem: file for file in (tmp_path / "targets").glob("*.json")}
    assert {name: json.loads(file.read_text()) for name, file in files.items()} == {
        "postgres_exporter": [{"targets": ["127.0.0.1:9187"], "labels": {"instance": "127.0.0.1:5432"}}],
        "prometheus": [{"targets": ["127.0.0.1:9091"], "labels": {}}],
        "alertmanager": [],
        "lab": [
            {"targets": [f"127.0.0.1:{settings.console_port}"], "labels": {"component": "console"}},
            {"targets": [f"127.0.0.1:{settings.embedded_agent_port}"], "labels": {"component": "datadog"}},
        ],
        "workload": [
            {"targets": ["127.0.0.1:18005"], "labels": {"service": "credit-risk"}},
            {"targets": ["127.0.0.1:15000"], "labels": {"service": "credit-shop"}},
        ],
    }  # fmt: skip
    assert {stat.S_IMODE(file.stat().st_mode) for file in files.values()} == {0o644}


def test_the_containers_targets_can_be_read_by_the_containers_user(tmp_path: Path) -> None:
    directory = tmp_path / "state" / "targets"
    write_docker_targets(directory, ["risk"])
    assert stat.S_IMODE(directory.stat().st_mode) == 0o755
    groups = json.loads((directory / "workload.json").read_text())
    assert [group["labels"]["service"] for group in groups] == ["credit-risk"]
    write_docker_targets(directory, ["shop", "proposals"])
    groups = json.loads((directory / "workload.json").read_text())
    assert [group["targets"] for group in groups] == [["proposals:8001"], ["shop:5000"]]


def test_alertmanager_sends_to_this_labs_console_with_its_token(
    settings: LabSettings, tmp_path: Path
) -> None:
    """The configuration of the settings, by an absolute path; only the owner reads the token."""
    given = tmp_path / "given.yml"
    given.write_text("url: http://console:8088/x\nfile: /etc/alertmanager/secrets/console-token\n")
    update = {
        "alertmanager_config": str(given), "console_port": 18088, "lab_console_token": SecretStr("s3"),
    }  # fmt: skip
    directory = tmp_path / "alertmanager"
    directory.mkdir()
    configure_alertmanager(directory, settings.model_copy(update=update))
    token = directory / "secrets" / "console-token"
    assert (directory / "alertmanager.yml").read_text() == (
        f"url: http://127.0.0.1:18088/x\nfile: {token}\n"
    )
    assert token.read_text() == "s3"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    configure_alertmanager(
        directory, settings.model_copy(update={**update, "lab_console_token": None})
    )
    assert token.read_text() == ""


def test_a_probe_says_what_it_observed(
    settings: LabSettings, serving: Callable[[Pages], int]
) -> None:
    """The status and the first 120 characters; a page is one that is answered with 200."""
    long = "x" * 119 + " y and more"
    port = serving({
        "/ok": ("200 OK", "fine"),
        "/bad": ("503 Service Unavailable", long),
        "/metrics": ("200 OK", "# HELP\npg_up 1\nother 1\n"),
    })  # fmt: skip
    assert probes.answers(settings, port, "/ok") is None
    assert probes.answers(settings, port, "/bad") == f"/bad: 503 {'x' * 119}"
    assert (probes.page(settings, port, "/ok"), probes.page(settings, port, "/bad")) == (
        "fine",
        None,
    )
    assert probes.scrape(settings, port) is None
    down = serving({"/metrics": ("200 OK", "# HELP\npg_up 0\n")})
    assert probes.scrape(settings, down) == "/metrics: pg_up is not 1"
    closed = free_port()
    assert (probes.answers(settings, closed, "/ok") or "").startswith("/ok: ")
    assert (probes.scrape(settings, closed) or "").startswith("/metrics: ")
    away = settings.model_copy(update={"postgres_port": closed})
    assert "\n" not in (probes.query(away) or "\n")


def test_what_the_embedded_agent_did_not_collect_is_listed(
    settings: LabSettings, serving: Callable[[Pages], int]
) -> None:
    """Failures and skipped rows above zero; a page of another program has neither."""
    body = (
        'lab_embedded_failures_total{collector="metrics"} 2.0\n'
        'lab_embedded_failures_total{collector="samples"} 0.0\n'
        'lab_embedded_rows_skipped_total{collector="samples"} 7.0\n'
    )
    port = serving({"/metrics": ("200 OK", body)})
    found = CollectorFailures.fetch(settings.model_copy(update={"embedded_agent_port": port}))
    assert found == CollectorFailures(collections={"metrics": 2}, rows={"samples": 7})
    assert str(found) == (
        "embedded agent, not collected since its start: 2 x metrics, 7 rows of samples"
    )
    assert str(CollectorFailures(collections={}, rows={})) == ""
    other = serving({"/metrics": ("200 OK", "up 1\n")})
    assert (
        CollectorFailures.fetch(settings.model_copy(update={"embedded_agent_port": other})) is None
    )


def test_rates_of_the_intake_are_one_line_and_each_trouble_another() -> None:
    plain = IntakeRates(
        spans_per_s=1.5, dbm_events_per_min=2.0, log_lines_per_s=0.25, store_bytes=12_340_000
    )
    line = "intake: 1.5 spans/s, 2 DBM events/min, 0.25 log lines/s; store 12.3 MB"
    assert str(plain) == line
    full = replace(
        plain, refused_records=3, store_trouble="the store is full", log_trouble="no log",
        sampling_trouble="no role\nsecond line", traces_sampled_away="1 in 2", unread_forms=("v1", "v2"),
        metric_names_kept=0, metric_names_counted=4,
    )  # fmt: skip
    assert str(full).splitlines() == [
        f"{line}; 3 records refused for their time: compare the senders' clocks",
        "console: the store is full",
        "console: no log",
        "console: sessions are not sampled each second: no role",
        "Agent's metrics: 0 names stored, 4 only counted",
        "traces: 1 in 2",
        (
            "traces: refused, in a format that this version cannot decode: v1, v2."
            " Update the lab, or use the Agent's version of .env.example"
        ),
    ]


def one(state: State, name: str = "risk") -> ComponentStatus:
    return ComponentStatus(name=name, state=state, version=None, address="http://a", pid=None)


def test_a_lab_is_ready_when_its_components_work_and_the_store_is_written() -> None:
    good = Status(mode="native", components=(one(State.RUNNING), one(State.OFF)))
    rates = IntakeRates(spans_per_s=0, dbm_events_per_min=0, log_lines_per_s=0, store_bytes=0)
    assert good.outcome is Outcome.OK
    assert replace(good, intake=rates).outcome is Outcome.OK
    assert replace(good, intake=replace(rates, store_trouble="full")).outcome is Outcome.FAILED
    unknown = replace(good, components=(*good.components, one(State.UNKNOWN, "shop")))
    assert (unknown.outcome, unknown.why_unknown) == (
        Outcome.UNKNOWN, ("shop: it runs, but supervisord does not answer",)
    )  # fmt: skip
    document = unknown.to_json()
    assert (document["ready"], document["result"]) == (None, "unknown")
    [paused] = Status(mode="native", components=(one(State.PAUSED),)).health
    assert (paused.reason, paused.next_step) == (
        "it takes no arrivals", "curl -X POST http://a/resume"
    )  # fmt: skip


@pytest.mark.parametrize(
    "options", [{"load": 0.0}, {"load": 10_000.0}, {"scale": 0.001}, {"scale": 1000.0}]
)
def test_options_include_their_limits(options: dict[str, float]) -> None:
    UpOptions(**options)  # type: ignore[arg-type]
    [(name, value)] = options.items()
    beyond = {name: value * 1.01 + (0.01 if value > 1 else -0.001 - value * 0.02)}
    with pytest.raises(ValueError, match=f"{name} .* is not between"):
        UpOptions(**beyond)  # type: ignore[arg-type]


def test_options_that_a_later_start_keeps(settings: LabSettings) -> None:
    """After a crash all but the settings; after `down` the scale, unless the settings name one."""
    kept = UpOptions(services=("risk",), scale=2.0, load=3.0, shop=True, prepared=True)
    kept = kept.with_settings(settings)
    assert kept.to_start_again(settings) == UpOptions(
        services=("risk",), scale=2.0, load=3.0, shop=True
    )
    assert kept.left_by_down(settings) == UpOptions(scale=2.0)
    named = LabSettings(_env_file=None, seed_scale=5.0)
    assert kept.to_start_again(named).scale is None
    assert kept.left_by_down(named) == UpOptions()
    applied = kept.applied_to(settings)
    assert (applied.seed_scale, applied.workload_load) == (2.0, 3.0)
    assert UpOptions(load=0.0).applied_to(settings).workload_load == 0.0
    assert UpOptions(load=4.0).running(settings).workload_load == 4.0
    assert not {"postgres_password", "lab_state_dir"} & kept.settings.keys()
    amended = kept.amended(UpOptions(services=("shop",), scale=1.0, load=0.0, shop=False))
    assert (amended.services, amended.scale, amended.load, amended.shop) == (
        ("shop",),
        1.0,
        0.0,
        False,
    )


def test_a_port_that_cannot_be_opened_has_the_reason_and_its_setting(settings: LabSettings) -> None:
    """An address that this machine does not have, and a name that does not exist."""
    exporter, postgres = COMPONENTS["postgres_exporter"], COMPONENTS["postgres"]
    update = {"bind_address": "192.0.2.1", "postgres_host": "no-such-host.invalid"}
    with pytest.raises(PortTakenError) as raised:
        require_free([exporter, postgres], settings.model_copy(update=update))
    first, second, last = str(raised.value).splitlines()
    assert first.startswith(
        "Port 9187, which postgres_exporter needs, cannot be opened on 192.0.2.1 ("
    )
    assert first.endswith("): set another with EXPORTER_PORT.")
    assert second.startswith(
        "Port 5432, which postgres needs, cannot be opened on no-such-host.invalid ("
    )
    assert last == "Nothing was started. Put settings into .env or the environment."


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(LabError, match=r"did you mean risk\?"):
        components.selection(("rsik",))
    with pytest.raises(LabError, match=r"did you mean console\?"):
        components.find("consol")
    assert components.find("risk").port == "risk_port"
    names = [component.name for component in components.selection(None)]
    assert names[:6] == ["postgres", *SERVICES]
    assert "trace_agent" not in names


@pytest.mark.parametrize(
    ("state", "up", "failing"),
    [
        (ProcessStates.RUNNING, True, False), (ProcessStates.STARTING, True, False),
        (ProcessStates.BACKOFF, True, True), (ProcessStates.FATAL, False, True),
        (ProcessStates.STOPPED, False, False), (ProcessStates.EXITED, False, False),
    ],
)  # fmt: skip
def test_a_process_is_up_while_supervisord_restarts_it(state: int, up: bool, failing: bool) -> None:
    process = SupervisedProcess(state=state, pid=None)
    assert (process.is_up, process.keeps_failing) == (up, failing)


def test_a_supervisor_that_does_not_start_or_answer_is_reported(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    paths = Paths.of(settings)
    supervisor = Supervisor(paths)
    assert not supervisor.answers()
    assert not supervisor.lives()
    with pytest.raises(SupervisionError, match="supervisord does not answer within 5 s"):
        supervisor.shut_down()
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'no such module'\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(SupervisionError, match=r"^supervisord did not start:\nno such module$"):
        supervisor.start([COMPONENTS["risk"]], {})
    assert (tmp_path / "supervisord.conf").is_file()


def test_supervisord_starts_components_on_request_and_restarts_them() -> None:
    """It runs as root only where it says so; logs are limited, and groups are stopped whole."""
    text = configure([COMPONENTS["postgres"]], as_root=False)
    assert "user=" not in text
    assert "user=root" in configure([], as_root=True)
    for line in (
        "file=/proc/self/cwd/supervisor.sock", "chmod=0700", "[program:postgres]", "autostart=false",
        "autorestart=true", "startsecs=5", "startretries=1000", "stopsignal=INT", "stopwaitsecs=60",
        "stopasgroup=true", "killasgroup=true", "redirect_stderr=true", "stdout_logfile_maxbytes=5000000",
    ):  # fmt: skip
        assert line in text.splitlines()
