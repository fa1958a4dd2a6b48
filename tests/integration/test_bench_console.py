"""`bench pages` and `bench console` in small: what they report is of what really ran."""

import signal
from pathlib import Path

import pytest

from lab.bench.console import STATES
from lab.bench.own_console import own_console
from lab.foundation.readiness import NotReadyError
from tests.fix_bench import Bench


def test_every_page_is_timed_on_a_store_of_that_many_spans(bench: Bench) -> None:
    """Each page is answered, its size is that of its body, and no figure is empty."""
    result = bench("pages", "--spans", "2000", "--times", "3")
    assert result["spans"] == 2_000
    assert result["store_bytes"] > 500_000
    assert result["rss_mb"] > 10
    timings = result["pages"]
    assert len({timing["page"] for timing in timings}) == len(timings) >= 9
    for timing in timings:
        assert 0 < timing["median_s"] <= timing["slowest_s"]
        assert timing["size_bytes"] > 1_000, timing["page"]


def test_the_services_run_in_each_state_of_the_console(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One round of a second: operations end in every state, and ratios are to the turn with the console."""
    monkeypatch.setattr("lab.bench.console.SETTLE_S", 0.5)
    found = bench("console", "--seconds", "1", "--rounds", "1", "--load", "5")
    found = found["states"]
    assert found.keys() == STATES.keys()
    assert found["on"]["rate_ratio"] == found["on"]["p99_ratio"] == 1.0
    for name, state in found.items():
        typical = state["typical"]
        assert typical["operation_rate"] > 0, name
        assert 0 <= typical["start_delay_p50"] <= typical["start_delay_p99"], name


def test_a_console_that_does_not_end_is_killed_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen, it does not obey SIGTERM; the end of the block leaves no process in any case."""
    monkeypatch.setattr("lab.bench.own_console.STOP_S", 0.1)
    with own_console(tmp_path, log=tmp_path) as console:
        console.freeze()
        with pytest.raises(NotReadyError, match="it was killed"):
            console.stop()
        assert console.process.returncode == -signal.SIGKILL
    with own_console(tmp_path, log=tmp_path) as console:
        console.freeze()
    assert console.process.returncode in {-signal.SIGKILL, -signal.SIGTERM, 0}
