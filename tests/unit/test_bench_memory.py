"""The arithmetic of `bench memory`."""

from lab.bench import memory


def test_what_fills_in_the_warm_up_is_no_growth() -> None:
    """Caches fill once: only what goes on afterwards is a slope."""
    found = memory.growth([(60.0 * n, 80e6 if n > 10 else 50e6 + n * 1e6) for n in range(60)])
    assert found.slope_mb_per_hour == 0
    assert (found.first_mb, found.last_mb, found.most_mb) == (50.0, 80.0, 80.0)
