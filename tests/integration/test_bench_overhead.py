"""`bench overhead` runs whole, on a server of its own, and leaves nothing behind."""

from pathlib import Path

import psutil
import pytest

from lab.bench.overhead import measure
from lab.bench.overhead.modes import MODES, UNOBSERVED
from lab.bench.overhead.ratios import Verdict
from lab.bench.overhead.server import OFF, set_auto_explain
from lab.clients.database import Connection, Role, rows
from lab.foundation.readiness import await_state
from tests.fix_bench import Bench
from tests.fix_postgres import Database

THRESHOLD = "SHOW auto_explain.log_min_duration"


def test_a_run_reports_every_mode_and_leaves_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As short as it can be: one round is no verdict, but a figure for everything."""
    monkeypatch.setattr(measure, "SETTLE_S", 0.1)
    monkeypatch.setattr(measure, "WARM_UP_S", 0.1)
    before = set(psutil.Process().children(recursive=True))
    found = bench("overhead", "--seconds", "1", "--rounds", "1", "--rate", "50", "--scale", "0.02")
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not list((tmp_path / "state").iterdir())
    assert list(found["modes"]) == [mode.name for mode in MODES]
    for name, mode in found["modes"].items():
        [turn] = mode["turns"]
        assert turn["operations_per_s"] > 0
        assert 0 < turn["p50_ms"] <= turn["p99_ms"]
        assert min(turn[figure] for figure in ("client_us", "backends_us", "background_us")) > 0
        assert min(turn[figure] for figure in ("server_mb", "client_mb", "entries")) > 0
        if name != UNOBSERVED.name:
            assert mode["cost"]["cpu_us"]["verdict"] == Verdict.UNKNOWN
    turns = {name: mode["turns"][0] for name, mode in found["modes"].items()}
    assert turns["exporter"]["scrapes"] >= 1
    assert turns["unobserved"]["sent_bytes"] == 0 < turns["tracing"]["sent_bytes"]


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
            await_state("it is off", lambda: otherwise(session, OFF), within_s=150)
        finally:
            set_auto_explain(database.settings, on=True)
        await_state("it is on again", lambda: otherwise(session, configured), within_s=150)
