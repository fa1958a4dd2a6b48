"""The store of `bench pages`: the requested number of spans, up to now, as after the default load."""

from pathlib import Path

import pytest

from lab.bench import large_store
from lab.bench.large_store import METRICS_EVERY_S, SLOW_EVERY, SPANS_PER_S, SPANS_PER_TRACE, fill
from lab.foundation import clock
from lab.telemetry.store import Reader
from workload.statements import STATEMENTS

SPANS = 3_000
NS = 1_000_000_000


@pytest.mark.parametrize("batch", [large_store.BATCH, 7])
def test_a_filled_store_has_what_the_load_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Each trace is a root and its statements; the slow ones are logged with plans, the newest one too."""
    monkeypatch.setattr(large_store, "BATCH", batch)
    before_ns = clock.now_ns()
    known = fill(tmp_path / "store.sqlite", SPANS)
    reader = Reader(tmp_path / "store.sqlite")

    def count(sql: str) -> int:
        [(found,)] = reader.rows(f"SELECT count(*) FROM {sql}")
        return int(found)

    traces, seconds = SPANS // SPANS_PER_TRACE, SPANS // SPANS_PER_S
    assert count("spans") == traces * SPANS_PER_TRACE
    assert count("spans WHERE parent_id IS NULL") == traces
    logged = (SPANS_PER_TRACE - 1) * -(-traces // SLOW_EVERY)
    assert (count("executions"), count("plans")) == (logged, logged)
    assert count("spans WHERE parent_id IS NULL AND duration_ns >= 900000000") == -(
        -traces // SLOW_EVERY
    )
    # The lab's own samples each second, and DBM's every ten.
    assert count("activity WHERE source = 'lab'") == seconds
    assert count("activity WHERE source = 'embedded'") == -(-seconds // METRICS_EVERY_S)
    assert count("query_metrics") == len(STATEMENTS) * -(-seconds // METRICS_EVERY_S)
    [(first_ns, last_ns)] = reader.rows("SELECT min(start_ns), max(start_ns) FROM spans")
    assert before_ns - (seconds + 1) * NS < first_ns < before_ns - (seconds - 2) * NS
    assert before_ns - 2 * NS < last_ns < clock.now_ns() + NS
    assert count(f"spans WHERE span_id = '{known.span_id}' AND trace_id = '{known.trace_id}'") == 1
    assert count(f"plans WHERE span_id = '{known.span_id}'") == 1
