"""`python -m lab.telemetry.check` with a stand-in for Datadog's check, into a real console."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT, LabSettings
from lab.stack.check import Checkout
from lab.telemetry.store import (
    ActivityRound,
    MetricSeries,
    Plan,
    QueryMetrics,
    ServiceCheck,
    Source,
)
from tests.fix_console import RunningConsole
from tests.fix_postgres import free_port
from tests.standins import datadog_check

WITHIN_S = 150.0
CPF = "39053344705"


def prepared(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a check whose environment has been prepared."""
    source = datadog_check.install(tmp_path / "source")
    settings = LabSettings(
        _env_file=None, lab_state_dir=tmp_path / "state", datadog_check_source=source
    )
    Checkout.examine(settings).prepare(settings, lambda _: None)
    return {
        **os.environ,
        "LAB_STATE_DIR": str(tmp_path / "state"),
        "DATADOG_CHECK_SOURCE": str(source),
        "POSTGRES_PORT": "25432",
        "EMBEDDED_AGENT_PORT": str(free_port()),
    }


COMMAND = [sys.executable, "-P", "-m", "lab.telemetry.check"]


# The check has an environment of its own, without the shift of the clock.
@pytest.mark.real_clock
def test_what_the_check_sends_is_stored_as_the_checks(
    tmp_path: Path, console: RunningConsole
) -> None:
    """Events, series and service check with source `check`, redacted; it ends at SIGTERM."""
    environment = prepared(tmp_path) | {"CONSOLE_PORT": str(console.port)}
    with subprocess.Popen(
        COMMAND, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:

            def missing() -> str | None:
                if process.poll() is not None:
                    raise AssertionError(f"it ended with {process.returncode}")
                kinds = (ActivityRound, QueryMetrics, Plan, MetricSeries, ServiceCheck)
                absent = [kind.__name__ for kind in kinds if not console.reader.select(kind)]
                return f"no {', '.join(absent)}" if absent else None

            await_state("what the check sends is stored", missing, within_s=WITHIN_S)
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, said
    assert "a check may print" in said
    assert "the password is another" not in said
    [plan] = console.reader.select(Plan)
    assert (plan.source, plan.trace_id) == (Source.CHECK, "67405d1f00000000a1b2c3d4e5f60718")
    [taken] = console.reader.select(ActivityRound)
    assert (taken.source, taken.interval_s) == (Source.CHECK, 10.0)
    [deltas] = console.reader.select(QueryMetrics)
    assert (deltas.source, deltas.queryid, deltas.calls) == (Source.CHECK, 77, 4)
    [check] = console.reader.select(ServiceCheck)
    assert (check.source, check.status, check.host) == (Source.CHECK, 0, "credit-lab-postgres")
    series = {one.name: one for one in console.reader.select(MetricSeries)}
    assert {one.source for one in series.values()} == {Source.CHECK}
    tags = {"db:creditdb", "env:lab", "port:25432", "service:credit-postgres"}
    assert set(series["postgresql.uptime"].tags) == tags
    assert "postgresql.connections" in series
    stored = b"".join(path.read_bytes() for path in console.state.rglob("*") if path.is_file())
    assert CPF.encode() not in stored


@pytest.mark.parametrize("broken", ["import missing_module", "nothing = 1"])
def test_a_check_that_cannot_be_loaded_has_a_clear_error(broken: str, tmp_path: Path) -> None:
    """It names what is missing, and the lab's process ends with status 2, without a traceback."""
    environment = prepared(tmp_path)
    module = tmp_path / "source/postgres/datadog_checks/postgres/__init__.py"
    module.write_text(f"{broken}\n")
    done = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )
    assert done.returncode == 2
    assert "Datadog's check cannot be loaded" in done.stderr
    assert ("missing_module" in done.stderr) or ("no class of a check" in done.stderr)
    assert "Traceback" not in done.stderr
