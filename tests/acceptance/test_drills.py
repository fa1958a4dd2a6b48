"""Every drill against a native lab under load: its fault is proven, and nothing of it is left."""

import os
import signal
import subprocess
import urllib.request
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from lab.clients.database import Role, connect, dsn, rows
from lab.drilldown import Drilldown
from lab.drilldown.series import STEP_S
from lab.drills.catalogue import DRILLS
from lab.drills.faults import missing_index
from lab.drills.journal import Journal
from lab.drills.runner import Options, run
from lab.drills.running import DrillFiles
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from tests.fix_lab import Lab
from tests.fix_reporter import RecordedReporter

pytestmark = pytest.mark.acceptance

DURATION_S = 2.0
# Of both observers, compared: two minutes.
STEPS = 12
# The first statement of credit-customers' lookups; the busiest of all may be one that a drill ran.
EVERY_CALLER = "customer_by_cpf"
COMMAND_SECONDS = 120
INDEX = "SELECT count(*) FROM pg_indexes WHERE indexname = 'credit_proposals_customer'"
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'credit-drill'"


def ask(lab: Lab, sql: str) -> object:
    with connect(dsn(lab.settings, Role.LAB)) as connection:
        [[value]] = rows(connection, sql)
    return value


def steps(lab: Lab, run_id: str) -> list[str]:
    """Return the steps of a run that the journal holds."""
    entries = Journal(DrillFiles(Paths.of(lab.settings)).journal).entries()
    return [entry.step for entry in entries if entry.run == run_id]


def call(lab: Lab, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(ROOT / "creditlab"), *arguments],
        env=lab.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def dropped(lab: Lab) -> str | None:
    """Probe: None when the index is gone and the runner is known."""
    if DrillFiles(Paths.of(lab.settings)).read() is None:
        return "no drill runs"
    return None if ask(lab, INDEX) == 0 else "the index is there"


@pytest.mark.parametrize("name", DRILLS)
def test_a_fault_is_proven_and_nothing_of_it_is_left(lab: Lab, name: str) -> None:
    """PostgreSQL shows the fault from proof to heal; afterwards no session and no memory of it remains."""
    done = run(
        DRILLS[name],
        lab.settings,
        options=Options(duration_s=DURATION_S, verify=False),
        reporter=RecordedReporter(),
    )
    assert done.proven_ns is not None, done.proof
    assert done.held, done.proof
    assert done.injected_ns <= done.proven_ns < done.healed_ns
    assert DrillFiles(Paths.of(lab.settings)).read() is None
    assert ask(lab, SESSIONS) == 0
    assert steps(lab, done.run) == ["inject", "proven", "heal", "healed"]


def test_ctrl_c_heals(lab: Lab) -> None:
    """An interrupted drill takes its fault away before it ends, by the signal."""
    drill = call(lab, "drill", "run", missing_index.DRILL.name, "--for", "2m")
    await_state("the index is gone", partial(dropped, lab), within_s=150)
    drill.send_signal(signal.SIGINT)
    _, errors = drill.communicate(timeout=COMMAND_SECONDS)
    assert drill.returncode == -signal.SIGINT, errors
    assert "Traceback" not in errors
    assert ask(lab, INDEX) == 1
    assert DrillFiles(Paths.of(lab.settings)).read() is None


def test_stop_ends_the_drill_that_runs(lab: Lab) -> None:
    """`drill stop` from another terminal has the runner heal; a second drill is refused meanwhile."""
    drill = call(lab, "drill", "run", missing_index.DRILL.name, "--for", "2m")
    await_state("the index is gone", partial(dropped, lab), within_s=150)
    refused = lab.run("drill", "run", "deadlock")
    assert refused.returncode == 2
    assert "drill run missing-index" in refused.stderr
    stopped = lab.run("drill", "stop")
    assert stopped.returncode == 0, stopped.stderr
    assert ask(lab, INDEX) == 1
    drill.communicate(timeout=COMMAND_SECONDS)


def test_the_next_command_heals_what_a_killed_runner_left(lab: Lab) -> None:
    """After kill -9 of the runner the index is missing, until the next command makes it again."""
    drill = call(lab, "drill", "run", missing_index.DRILL.name, "--for", "2m")
    await_state("the index is gone", partial(dropped, lab), within_s=150)
    left = DrillFiles(Paths.of(lab.settings)).read()
    assert left is not None
    os.kill(left.pid, signal.SIGKILL)
    drill.communicate(timeout=COMMAND_SECONDS)
    assert ask(lab, INDEX) == 0
    verified = lab.run("verify")
    assert verified.returncode == 0, verified.stderr
    assert "missing-index, healed" in verified.stderr
    assert ask(lab, INDEX) == 1
    assert steps(lab, left.run)[-3:] == ["found", "heal", "healed"]


def test_the_console_lists_what_was_broken(lab: Lab) -> None:
    """Every drill that was run is on the console's page of drills."""
    console = f"http://127.0.0.1:{lab.settings.console_port}"
    with urllib.request.urlopen(f"{console}/drills?all=1", timeout=90) as answer:  # noqa: S310 - http, above
        page = answer.read().decode()
    ran = {entry.drill for entry in Journal(DrillFiles(Paths.of(lab.settings)).journal).entries()}
    assert ran
    assert [name for name in ran if f">{name}</a>" not in page] == []


def test_verify_is_green_after_all_drills(lab: Lab) -> None:
    """No drill has broken an invariant of money and people, nor a counter."""
    report = lab.json("verify")
    assert report["ok"] is True, [check for check in report["checks"] if not check["ok"]]


def compared(lab: Lab) -> dict[str, Any]:
    """Return what `compare` prints, once no observer's answer is older than a minute."""
    found: list[dict[str, Any]] = []

    def old() -> str | None:
        found.append(lab.json("compare", "--since", "3m"))
        ages = [
            row[side]["age_s"]
            for row in found[-1]["rows"]
            if row["question"].startswith("calls of ")
            for side in ("prometheus", "datadog")
        ]
        return None if all(age is not None and age < 60 for age in ages) else f"ages {ages}"

    await_state("the answers are young", old, within_s=120, every_s=2.0)
    return found[-1]


def test_both_observers_answer_and_are_near_the_truth(lab: Lab) -> None:
    """`compare` asks both the same; calls of a statement agree with the application's own count."""
    found = compared(lab)
    assert found["datadog"] == "the intake: embedded agent, not Datadog's"
    rows = {row["question"]: row for row in found["rows"]}
    calls = [row for name, row in rows.items() if name.startswith("calls of ")]
    for side in ("prometheus", "datadog"):
        # In a window with drills a rate misses the first calls of a new statement, and those while the stack
        # was stopped: each error is explained. At its own moments a stack counts what PostgreSQL counts.
        truths = [(row[side], row["truth"]["value"]) for row in calls]
        for one, truth in truths:
            parts = [
                one["parts"][name] for name in ("observer", "extrapolation", "resolution", "delay")
            ]
            assert truth + sum(parts) == pytest.approx(one["value"], abs=0.01), one
        assert 0.0 in [one["parts"]["observer"] for one, _ in truths]
        # The statements with most time are the drills' here, of which no service measures anything.
        cannot = [
            r for r in found["rows"] if r[side]["value"] is None and r["group"] != "statements"
        ]
        assert len(cannot) <= 0.08 * len(rows), cannot
    assert len(rows) == len(found["rows"]) >= 60
    assert rows["which session blocks which, now"]["prometheus"]["value"] is None
    assert rows["work_mem"]["datadog"]["value"] == rows["work_mem"]["truth"]["value"] == 8.0
    assert {"credit_app", "datadog", "postgres_exporter"} <= {
        cost["role"] for cost in found["costs"]
    }
    spent = {(one["observer"], one["what"]): one for one in found["spent"]}
    for observer, what in (
        ("Prometheus", "postgres_exporter: memory"),
        ("Prometheus", "job postgres: bytes scraped"),
        ("Prometheus", "job postgres: samples"),
        ("Prometheus", "series in memory"),
        ("Datadog", "stream dbm_metrics: bytes sent"),
        ("Datadog", "stream traces_v05: bytes sent"),
        ("the lab", "store: on disk"),
    ):
        assert spent[observer, what]["value"] > 0
    assert "bench overhead" in spent["Datadog", "tracing, per statement"]["why_not"]


def test_both_observers_count_the_same(lab: Lab) -> None:
    """Over minutes, their calls of a statement differ at most by the calls between two readings.

    Each reads every ten seconds, at different times: at both ends of the window one of them may
    have seen a step's calls that the other has not.
    """
    drilldown = Drilldown.of(lab.settings)
    begin = datetime.now(UTC) - timedelta(seconds=STEPS * STEP_S)
    found = drilldown.query(EVERY_CALLER, since=begin).series
    both = [(p.prometheus, p.dbm) for p in found.points if p.prometheus and p.dbm]
    # Drills before this one stopped one or the other for a while.
    assert len(both) >= STEPS / 4
    assert found.prometheus
    assert found.dbm
    assert found.dbm_source == "embedded"
    of_one_step = max(max(ours.calls, theirs.calls) for ours, theirs in both)
    assert abs(found.prometheus.calls - found.dbm.calls) <= 2 * of_one_step
    assert found.calls_difference == found.prometheus.calls - found.dbm.calls
