"""`bench intake` on a small load: what it sends is stored, on whatever day it runs."""

from lab.bench.intake import Result
from tests.fix_bench import Bench


def test_what_it_sends_is_stored(bench: Bench) -> None:
    """Every span and every log line that was sent comes into the store of the benchmark's console."""
    result = Result(**bench("intake", "--spans", "1000", "--lines", "100"))
    assert (result.spans, result.log_lines) == (1_000, 100)
    assert min(result.spans_per_s, result.log_lines_per_s, result.rss_mb) > 0
    assert min(result.spans_per_cpu_s, result.log_lines_per_cpu_s) > 0
    assert result.peak_rss_mb >= result.rss_mb > 10
    assert result.span_bytes is None or 0 < result.span_bytes < 450
