"""`bench tracing` on a server of its own, with few modes: figures, profile, and the bytes of the spans."""

import pytest

from lab.bench.tracing import command
from lab.bench.tracing.modes import FLOOR, FULL, OFF
from tests.fix_bench import Bench


def test_a_run_reports_rates_bytes_and_a_profile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One round; spans are flushed within their turn, and the untraced load sends none."""
    monkeypatch.setattr(command, "MODES", (OFF, FULL, FLOOR))
    found = bench("tracing", "--seconds", "1", "--rounds", "1", "--scale", "0.02")
    turns = {name: mode["turns"][0] for name, mode in found["modes"].items()}
    assert list(turns) == [OFF.name, FULL.name, FLOOR.name]
    assert all(turn["operations_per_s"] > 0 < turn["client_us"] for turn in turns.values())
    assert turns[OFF.name]["sent_bytes"] == 0
    assert min(turns[name]["sent_bytes"] for name in (FULL.name, FLOOR.name)) > 0
    assert found["of_floor"] > 0
    assert set(found["profiles"]) == {OFF.name, FULL.name, FLOOR.name}
    assert all(sum(parts.values()) > 0 for parts in found["profiles"].values())
    assert "spans" not in found["profiles"][OFF.name]
