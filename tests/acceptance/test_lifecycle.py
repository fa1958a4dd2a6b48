"""The life of a lab as a person lives it, through `./creditlab`: up, again, broken, mended, down.

The tests of this file share one lab and run in order; each leaves it up, but for the last.
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab.clients.services import clients
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from lab.stack.native import records
from lab.stack.native.supervision import Supervisor
from tests.fix_lab import COMMAND_SECONDS, SCALE, Lab
from tests.fix_postgres import free_port
from tests.standins import installed_agent

pytestmark = pytest.mark.acceptance

# Of the load: no test here is about how much the services do.
LOWER = 0.4
NAMES = [
    "postgres",
    "proposals",
    "underwriting",
    "customers",
    "servicing",
    "risk",
    "postgres_exporter",
    "prometheus",
    "alertmanager",
    "datadog",
    "console",
]
PORTS = [f"{name}_PORT" for name in ("POSTGRES", "PROPOSALS", "UNDERWRITING", "CUSTOMERS")] + [
    f"{name}_PORT"
    for name in (
        "SERVICING",
        "RISK",
        "EXPORTER",
        "PROMETHEUS",
        "ALERTMANAGER",
        "EMBEDDED_AGENT",
        "CONSOLE",
    )
]


def pids(lab: Lab) -> dict[str, int | None]:
    return {c["name"]: c["pid"] for c in lab.status()["components"]}


def states(lab: Lab) -> dict[str, str]:
    return {c["name"]: c["state"] for c in lab.status()["components"]}


def ready(look: Callable[[], Any]) -> Any:
    """Return the status once everything works; on a busy machine one answer may come late."""
    seen: list[Any] = []

    def working() -> str | None:
        seen.append(look())
        return None if seen[-1]["ready"] else str(seen[-1]["components"])

    await_state("every component works", working, within_s=150, every_s=1.0)
    return seen[-1]


def supervisor(lab: Lab) -> Supervisor:
    return Supervisor(Paths(state=lab.state))


def family(lab: Lab) -> set[psutil.Process]:
    """Return supervisord and every process below it."""
    return records.descendants(psutil.Process(supervisor(lab).pid()))


def call(environment: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(ROOT / "creditlab"), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def second(lab: Lab, tmp_path: Path) -> dict[str, str]:
    """The environment of another lab, with ports of its own."""
    ports = {name: str(free_port()) for name in PORTS}
    return {**lab.environment, **ports, "LAB_STATE_DIR": str(tmp_path / "second")}


def test_status_says_what_runs_and_where(lab: Lab) -> None:
    """Every component runs, with its version and the address it really has; exit status 0."""
    status = ready(lambda: lab.json("status"))
    assert status["mode"] == "native"
    assert [component["name"] for component in status["components"]] == NAMES
    for component in status["components"]:
        assert set(component) == {"name", "state", "version", "address", "pid"}
        assert component["state"] == "running"
        stand_in = r" \(embedded agent, not Datadog's\)" if component["name"] == "datadog" else ""
        assert re.fullmatch(r"\d+(\.\d+)+" + stand_in, component["version"])
        assert psutil.pid_exists(component["pid"])
    addresses = {component["name"]: component["address"] for component in status["components"]}
    assert addresses["postgres"] == f"127.0.0.1:{lab.settings.postgres_port}"
    assert addresses["prometheus"] == f"127.0.0.1:{lab.settings.prometheus_port}"

    def failing() -> str | None:
        done = lab.run("status")
        return done.stdout if done.returncode else None

    await_state("the exit status is 0", failing, within_s=150, every_s=1.0)


def test_postgres_does_not_run_as_root(lab: Lab) -> None:
    """The server runs as another user, also when root starts the lab in a directory of its own."""
    assert psutil.Process(lab.pid("postgres")).uids().effective != 0


def test_a_second_up_changes_nothing_and_says_so(lab: Lab) -> None:
    """Nothing is restarted; the exit status is 0."""
    before = pids(lab)
    again = lab.run("up")
    assert again.returncode == 0
    assert "no component was started" in again.stdout
    assert pids(lab) == before


def test_up_starts_what_is_dead(lab: Lab) -> None:
    """A component that was stopped is started again, alone."""
    before = pids(lab)
    supervisor(lab)._call("stopProcess", "prometheus")
    assert states(lab)["prometheus"] == "stopped"
    assert lab.run("status").returncode == 1
    assert lab.run("up").returncode == 0
    after = pids(lab)
    assert {name for name in NAMES if after[name] != before[name]} == {"prometheus"}


def test_the_load_changes_while_the_lab_runs_and_stays(lab: Lab) -> None:
    """`up --load` reaches every service at once; one that is killed comes back with that load."""
    before = pids(lab)
    assert lab.run("up", "--load", str(LOWER)).returncode == 0
    assert pids(lab) == before
    assert {client.health()["load"] for client in clients(lab.settings)} == {LOWER}
    [risk] = [client for client in clients(lab.settings) if client.name == "risk"]
    killed = lab.pid("risk")
    os.kill(killed, signal.SIGKILL)
    await_state(
        "risk is back",
        lambda: None if lab.pid("risk") != killed and states(lab)["risk"] == "running" else "not",
        within_s=150,
        every_s=0.5,
    )
    assert risk.health()["load"] == LOWER


def test_another_scale_is_refused_and_harms_nothing(lab: Lab) -> None:
    """Data cannot change their scale under a lab: the way out is named, the lab goes on as it was."""
    before = pids(lab)
    remembered = (lab.state / "state.json").read_text()
    refused = lab.run("up", "--scale", "7")
    assert refused.returncode == 2
    assert "down --wipe" in refused.stderr
    assert pids(lab) == before
    assert (lab.state / "state.json").read_text() == remembered


def test_services_can_be_left_out_and_taken_back(lab: Lab) -> None:
    """What is left out stops, is shown as off, and is no target of Prometheus; the rest stays ready."""
    assert lab.run("up", "--services", "risk,customers").returncode == 0
    status = ready(lab.status)
    off = [c["name"] for c in status["components"] if c["state"] == "off"]
    assert off == ["proposals", "underwriting", "servicing"]
    targets = json.loads((lab.state / "prometheus/etc/targets/workload.json").read_text())
    assert {t["labels"]["service"] for t in targets} == {"credit-risk", "credit-customers"}
    services = "proposals,underwriting,customers,servicing,risk"
    assert lab.run("up", "--services", services).returncode == 0
    assert {c["state"] for c in ready(lab.status)["components"]} == {"running"}


def test_taken_ports_stop_an_up_before_anything_starts(lab: Lab, second: dict[str, str]) -> None:
    """Each taken port is named with its holder and the setting that changes it; nothing is started."""
    taken = {**second, "POSTGRES_PORT": str(lab.settings.postgres_port)}
    process = call(taken, "up")
    _, errors = process.communicate(timeout=COMMAND_SECONDS)
    assert process.returncode == 2
    line = f"Port {lab.settings.postgres_port}, which postgres needs, is in use by postgres"
    assert f"{line} (process {lab.pid('postgres')}, " in errors
    assert "set another with POSTGRES_PORT" in errors
    state = Path(second["LAB_STATE_DIR"])
    assert not list(state.rglob("*.pid"))
    assert not (state / "postgres").exists()


def test_an_interrupted_up_leaves_nothing_running(second: dict[str, str]) -> None:
    """Ctrl-C during `up` stops what it started; meanwhile another call names the process with the lock."""
    state = Path(second["LAB_STATE_DIR"])
    up = call(second, "up", "--scale", "1")
    record = state / "run" / "postgres.json"
    await_state(
        "postgres was launched", lambda: None if record.exists() else "no record", within_s=60
    )
    held = call(second, "down")
    _, errors = held.communicate(timeout=COMMAND_SECONDS)
    assert held.returncode == 2
    assert f"process {up.pid}) is changing the lab" in errors
    started = records.descendants(psutil.Process(Supervisor(Paths(state=state)).pid()))
    assert started
    up.send_signal(signal.SIGINT)
    _, errors = up.communicate(timeout=COMMAND_SECONDS)
    assert up.returncode == -signal.SIGINT, errors
    assert "creditlab: Interrupted; processes that this call started are stopped." in errors
    assert "Traceback" not in errors
    assert not any(process.is_running() for process in started)
    assert not (state / "run").exists()


def test_settings_of_now_do_not_hide_the_lab_that_runs(lab: Lab) -> None:
    """A call with another environment still finds the lab, and says what a restart would change."""
    elsewhere = {**lab.environment, "PROMETHEUS_PORT": str(free_port())}
    process = call(elsewhere, "up")
    shown, errors = process.communicate(timeout=COMMAND_SECONDS)
    assert process.returncode == 0
    assert "other values of PROMETHEUS_PORT; `./creditlab restart` applies yours" in errors
    assert f"127.0.0.1:{lab.settings.prometheus_port}" in shown


def test_psql_asks_the_running_database(lab: Lab) -> None:
    """Arguments are psql's own; the password is not asked for."""
    done = lab.run("psql", "-Atc", "SELECT current_user, count(*) > 0 FROM customers")
    assert done.stdout == "lab|t\n"


def test_logs_are_those_of_the_component(lab: Lab) -> None:
    """Each component has a log; PostgreSQL's is what its own collector writes."""
    assert "listening on port" in lab.run("logs", "risk").stdout
    assert " UTC:" in lab.run("logs", "postgres").stdout


def test_up_takes_over_from_a_supervisor_that_was_killed(lab: Lab) -> None:
    """What a kill -9 of supervisord orphans is shown as such, ended by the next `up`, and started again.

    The options of the last `up` are those of the next one.
    """
    [load] = {client.health()["load"] for client in clients(lab.settings)}
    assert load == LOWER
    orphans = family(lab) - {psutil.Process(supervisor(lab).pid())}
    os.kill(supervisor(lab).pid(), signal.SIGKILL)
    await_state(
        "supervisord is gone",
        # A killed process closes its socket before it has ended.
        lambda: (
            "it answers"
            if supervisor(lab).answers()
            else "it lives"
            if supervisor(lab).lives()
            else None
        ),
        within_s=150,
    )
    assert set(states(lab).values()) == {"orphaned"}
    mended = lab.run("up")
    assert mended.returncode == 0, mended.stderr
    assert not any(process.is_running() for process in orphans)
    assert {c["state"] for c in ready(lab.status)["components"]} == {"running"}
    assert {client.health()["load"] for client in clients(lab.settings)} == {load}


def test_a_restart_keeps_the_options(lab: Lab) -> None:
    """The load and the services of the last `up` hold after a restart; the data are kept."""
    assert lab.run("up", "--load", "0.3").returncode == 0
    restarted = lab.run("restart")
    assert restarted.returncode == 0, restarted.stderr
    assert "kept from an earlier run" in restarted.stderr
    assert {client.health()["load"] for client in clients(lab.settings)} == {0.3}


def test_an_installed_agent_takes_the_place_of_the_embedded_one(lab: Lab, tmp_path: Path) -> None:
    """It is started with its trace agent, which gets the spans, and called what it is."""
    program = installed_agent.install(tmp_path)
    restart = call({**lab.environment, "DATADOG_AGENT": str(program)}, "restart", "--native")
    _, errors = restart.communicate(timeout=COMMAND_SECONDS)
    assert restart.returncode == 0, errors
    assert f"Datadog Agent {installed_agent.VERSION}" in errors
    status = ready(lab.status)
    versions = {c["name"]: c["version"] for c in status["components"]}
    assert set(versions) == {*NAMES, "trace_agent"}
    for name in ("datadog", "trace_agent"):
        assert versions[name].startswith(
            f"{installed_agent.VERSION} (Datadog Agent of this machine"
        )
    assert "embedded" not in lab.run("status").stdout
    tracer = psutil.Process(lab.pid("customers")).environ()["DD_TRACE_AGENT_URL"]
    assert tracer == f"http://127.0.0.1:{lab.settings.trace_agent_port}"


def test_a_failed_up_is_undone_and_the_next_one_works(lab: Lab) -> None:
    """After a `down`, an `up` that cannot work stops what it started and spoils nothing for the next.

    With another Agent than before: the installed one and its trace agent are gone.
    """
    assert lab.run("down").returncode == 0
    everything = call({**lab.environment, "POSTGRES_PASSWORD": "not the one"}, "up", "--scale", "7")
    _, errors = everything.communicate(timeout=COMMAND_SECONDS)
    assert everything.returncode == 2
    assert "POSTGRES_PASSWORD" in errors
    assert set(states(lab).values()) == {"stopped"}
    again = lab.run("up")
    assert again.returncode == 0, again.stderr
    assert "kept from an earlier run" in again.stderr
    assert list(states(lab)) == NAMES


def state_files(lab: Lab) -> set[Path]:
    """Return the files that keep the lab's state, also those of a drill; no database's own, no logs."""
    found = {lab.state / name for name in ("state.json", "lock", "supervisord.pid")}
    found |= {lab.state / "drills" / name for name in ("running.json", "journal.jsonl", "lock")}
    found |= {lab.state / "drills" / "runs" / "20260101T000000-blocking.json"}
    for folder in ("run", "store", "prometheus/etc"):
        found |= {path for path in (lab.state / folder).rglob("*") if path.is_file()}
    return found | {path for path in lab.state.iterdir() if path.is_file()}


@pytest.mark.parametrize("kept", [0.0, 0.5], ids=["overwritten", "torn"])
def test_damaged_files_never_keep_the_lab_from_starting(lab: Lab, kept: float) -> None:
    """After a power loss that damaged every state file `up` works, at the scale of the data."""
    processes = family(lab)
    for process in sorted(processes, key=lambda each: each.pid):
        with suppress(psutil.NoSuchProcess):  # a backend ends with its postmaster
            process.kill()
    assert psutil.wait_procs(processes, timeout=30)[1] == []
    for path in state_files(lab):
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.exists() else b"{}"
        path.write_bytes(content[: int(len(content) * kept)] + b"\xff\x00 damaged" * 100)
    started = lab.run("up")
    assert started.returncode == 0, started.stderr
    assert "Traceback" not in started.stderr
    assert "state.json is damaged" in started.stderr
    assert {c["state"] for c in ready(lab.status)["components"]} == {"running"}
    again = lab.run("up")
    assert "no component was started" in again.stdout
    assert "another" not in again.stderr, again.stderr
    verified = lab.run("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert json.loads((lab.state / "state.json").read_text())["scale"] == float(SCALE)


def test_ctrl_c_in_the_foreground_stops_the_lab_and_leaves_nothing(lab: Lab) -> None:
    """`up --foreground` shows the logs until Ctrl-C; then no process of the lab remains."""
    everything = family(lab)
    foreground = call(lab.environment, "up", "--foreground")
    assert foreground.stderr is not None
    seen: list[str] = []
    await_state(
        "the foreground is reached",
        partial(_read_until, foreground, seen, "Ctrl-C stops the lab"),
        within_s=150,
    )
    foreground.send_signal(signal.SIGINT)
    foreground.communicate(timeout=COMMAND_SECONDS)
    assert foreground.returncode == 0
    assert not any(process.is_running() for process in everything)
    assert set(states(lab).values()) == {"stopped"}


def test_a_wipe_leaves_no_file(lab: Lab) -> None:
    """After `down --wipe` the state directory is gone."""
    assert lab.run("down", "--wipe").returncode == 0
    assert not lab.state.exists()


def _read_until(process: "subprocess.Popen[str]", seen: list[str], text: str) -> str | None:
    assert process.stderr is not None
    seen.append(process.stderr.readline())
    return None if text in seen[-1] else seen[-1]
