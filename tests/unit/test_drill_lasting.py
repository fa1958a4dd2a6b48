"""Statements of drills last on any processor: their size grows until they do, and no further than stated."""

from typing import Any

from lab.drills.lasting import MinimumDuration

NO_SESSION: Any = None


def sizes(seconds_per_loop: float, rounds: int) -> list[int]:
    """Return the sizes of some rounds on a processor that needs so long for a loop."""
    asked: list[int] = []

    def run(_: Any, size: int) -> float:
        asked.append(size)
        return float(seconds_per_loop * size)

    work = MinimumDuration(run, 10, at_least_s=0.05)
    for _ in range(rounds):
        work(NO_SESSION)
    return asked


def test_a_slow_processor_is_asked_no_more() -> None:
    """What lasts from the beginning stays as it is."""
    assert sizes(0.006, 3) == [10, 10, 10]


def test_a_quick_processor_is_asked_for_more_until_it_lasts() -> None:
    """Ten loops of a millisecond are too few, fifty are enough."""
    assert sizes(0.001, 3) == [10, 50, 50]


def test_what_never_lasts_stays_bounded() -> None:
    """A table of a few rows answers at once, with any size."""
    assert sizes(0, 4) == [10, 500, 640, 640]
