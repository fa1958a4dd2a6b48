"""`bench overhead` runs whole, on a server of its own, and leaves nothing behind."""

from pathlib import Path

import psutil
import pytest

from lab.bench.overhead import measure
from lab.bench.overhead.command import run
from lab.bench.overhead.measure import Plan
from lab.bench.overhead.modes import MODES, NOBODY
from lab.bench.overhead.ratios import Verdict
from lab.bench.overhead.server import OFF, set_auto_explain
from lab.clients.database import Connection, Role, rows
from lab.foundation.readiness import await_state
from tests.fix_postgres import Database, settings_for

THRESHOLD = "SHOW auto_explain.log_min_duration"


def test_a_run_reports_every_mode_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As short as it can be: one round is no verdict, but a figure for everything."""
    monkeypatch.setattr(measure, "SETTLE_S", 0.1)
    monkeypatch.setattr(measure, "WARM_UP_S", 0.1)
    settings = settings_for(port=1, database="nobody_asks").model_copy(
        update={"lab_state_dir": tmp_path}
    )
    before = set(psutil.Process().children(recursive=True))
    plan = Plan(seconds=0.5, rounds=1, processes=1, connections=4)
    result = run(settings, plan, scale=0.02)
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not list(tmp_path.iterdir())
    assert set(result.turns) == {mode.name for mode in MODES}
    for mode in MODES:
        typical = result.typical(mode)
        assert typical.operations_per_s > 0
        assert 0 < typical.p50_ms <= typical.p95_ms <= typical.p99_ms
        assert typical.client_cpu_us_per_statement > 0
        if mode is not NOBODY:
            assert result.cost(mode).operations_per_s.verdict is Verdict.UNKNOWN


def test_auto_explain_is_switched_in_sessions_that_are_open(database: Database) -> None:
    """The load's pools are: a setting of the database or of the role would not reach them."""

    def otherwise(session: Connection, wanted: str) -> str | None:
        [[threshold]] = rows(session, THRESHOLD)
        return None if threshold == wanted else str(threshold)

    with database.connect(Role.APP) as session:
        [[configured]] = rows(session, THRESHOLD)
        assert configured != OFF
        try:
            set_auto_explain(database.settings, on=False)
            await_state("it is off", lambda: otherwise(session, OFF), within_s=90)
        finally:
            set_auto_explain(database.settings, on=True)
        await_state("it is on again", lambda: otherwise(session, configured), within_s=90)
