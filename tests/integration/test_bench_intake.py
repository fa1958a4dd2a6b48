"""`bench intake` on a small load: what it sends is stored, on whatever day it runs."""

from lab.bench.intake import measure


def test_what_it_sends_is_stored() -> None:
    """Every span and every log line that was sent comes into the store of the benchmark's console."""
    result = measure(spans=1_000, lines=100)
    assert (result.spans, result.log_lines) == (1_000, 100)
    assert min(result.spans_per_s, result.log_lines_per_s, result.rss_mb) > 0
