"""Signals of Datadog's data in the judge: activity rounds, circles of blockers, metrics, checks, gaps."""

from dataclasses import replace
from typing import Any

import pytest

from lab.clients.prometheus import Alert
from lab.foundation.timestamps import NS_PER_S as NS
from lab.judge.evidence import Evidence, MetricTrack, MonitorResult, Observer, Truth
from lab.judge.readings import Seen
from lab.judge.signals import Checks, MutualBlocks, Query, Sessions, Signal
from lab.judge.verdicts import STALE_CHECK_NS, Verdict, judge
from lab.telemetry.store import ActivitySample, ServiceCheck, Source
from tests import evidence as records

T0 = 29_000_000 * 60 * NS
INJECTED, HEALED = T0, T0 + 60 * NS
TRUTH = Truth(
    drill="d",
    injected_ns=INJECTED,
    proven_ns=INJECTED,
    healed_ns=HEALED,
    services=frozenset({"credit-drill"}),
)
EMPTY = Evidence(
    since_ns=T0 - 20 * NS,
    until_ns=T0 + 85 * NS,
    last_data_ns=dict.fromkeys(Observer, HEALED),
)


def verdict(
    observer: Observer, evidence: Evidence, *signals: Signal, monitors: tuple[str, ...] = ()
) -> Verdict:
    [found] = [v for v in judge(evidence, TRUTH, signals, (), monitors) if v.observer is observer]
    return found


def session(at_s: float, pid: int, *blocked_by: int, **fields: Any) -> ActivitySample:
    at_ns = T0 + round(at_s * NS)
    return records.sample(None, at_ns=at_ns, pid=pid, blocking_pids=blocked_by, **fields)


def metrics(
    *points: tuple[float, float], name: str = "m", **tags: str
) -> dict[str, tuple[MetricTrack, ...]]:
    own = tuple((T0 + round(at * NS), value) for at, value in points)
    return {name: (MetricTrack(name=name, tags=tags, is_count=False, interval_s=15.0, points=own),)}


def regular(*values: float) -> list[tuple[float, float]]:
    """Values every 15 s, from ten seconds before the fault."""
    return [(15.0 * n - 10, value) for n, value in enumerate(values)]


def test_a_round_without_sessions_interrupts_a_row() -> None:
    """Two samples in a row are required: an empty sample between two that match is none."""
    two = Sessions(says="s", above=0, points=2, like=lambda s: s.pid == 1)
    found = replace(EMPTY, activity=(session(10, 1), session(30, 1)))
    assert verdict(Observer.DBM, found, two).seen is Seen.SEEN
    rounds = tuple(T0 + at_s * NS for at_s in (0, 10, 20, 30, 40))
    assert verdict(Observer.DBM, replace(found, rounds_ns=rounds), two).seen is Seen.MISSED


@pytest.mark.parametrize(
    ("sessions", "count"),
    [
        ([(1, 2), (2, 1)], 2),
        ([(1, 2), (2, 3), (3, 1), (4, 1)], 3),
        ([(1, 2), (2, 3)], 0),
        ([(1, 1)], 1),
        ([(1,), (2, 1)], 0),
    ],
)
def test_sessions_that_wait_for_each_other_are_counted(
    sessions: list[tuple[int, ...]], count: int
) -> None:
    """Of a circle all; not the one that waits for a session of the circle."""
    signal = MutualBlocks(says="circle", above=0)
    sampled = tuple(session(10, pid, *blocked) for pid, *blocked in sessions)
    found = verdict(Observer.DBM, replace(EMPTY, activity=sampled), signal)
    assert (found.seen, found.says) == (
        (Seen.SEEN, (f"circle: {count}",)) if count else (Seen.MISSED, ("circle: did not rise",))
    )


QUERY = Query(says="m", query="sum:m{*} by {app}", above=3)


def test_a_metric_names_the_application_in_its_tags() -> None:
    found = replace(EMPTY, metrics=metrics(*regular(0, 9, 9, 9, 9), app="credit-drill"))
    seen = verdict(Observer.CHECK, found, QUERY)
    assert (seen.seen, seen.after_s) == (Seen.SEEN, 5.0)
    assert [depth.value for depth in seen.depths] == ["detected", "named the culprit"]


def test_points_of_before_the_window_are_no_baseline() -> None:
    """They are there for the windows of monitors only."""
    found = replace(EMPTY, metrics=metrics((-300, 9), *regular(0, 4, 4, 4, 4)))
    assert verdict(Observer.CHECK, found, QUERY).seen is Seen.SEEN


@pytest.mark.parametrize(
    ("points", "seen", "says"),
    [
        (regular(0, 0, 0, 0, 0), Seen.MISSED, "m: did not rise"),
        (
            [(-10.0, 0.0), (5.0, 0.0), (50.0, 0.0)],
            Seen.UNKNOWN,
            "m: no points for 45 s of the fault",
        ),
        ([(-10.0, 0.0), (5.0, 9.0)], Seen.SEEN, "m: 9"),
        (
            [(-10.0, 0.0), (5.0, 0.0), (22.5, 0.0), (60.0, 0.0)],
            Seen.MISSED,
            "m: did not rise",
        ),
        # The first and the last moment of the window belong to it.
        (
            [(-20.0, 9.0), *regular(9, 9, 9, 9, 9)],
            Seen.UNKNOWN,
            "m: above the threshold before the fault",
        ),
        (
            [(-20.0, 5.0), *regular(1, 9, 9, 9, 9)],
            Seen.UNKNOWN,
            "m: above the threshold before the fault",
        ),
        ([*regular(0, 0, 0, 0, 0), (85.0, 9.0)], Seen.MISSED, "m: only 25 s after the heal"),
        ([*regular(0, 0, 0, 0, 0), (86.0, 9.0)], Seen.MISSED, "m: did not rise"),
        ([], Seen.UNKNOWN, "m: no points of m"),
    ],
)
def test_a_gap_of_a_metric_is_unknown(
    points: list[tuple[float, float]], seen: Seen, says: str
) -> None:
    """Longer than two and a half intervals; a point that shows the fault has seen it all the same."""
    found = verdict(Observer.CHECK, replace(EMPTY, metrics=metrics(*points)), QUERY)
    assert (found.seen, found.says) == (seen, (says,))


def test_data_of_the_check_may_be_older_than_of_others() -> None:
    """It runs every 15 s: one run that is late is no end of its data."""
    evidence = replace(EMPTY, metrics=metrics(*regular(0, 0, 0, 0, 0)))
    for age_ns, seen in ((STALE_CHECK_NS, Seen.MISSED), (STALE_CHECK_NS + NS, Seen.UNKNOWN)):
        stale = replace(evidence, last_data_ns={Observer.CHECK: HEALED - age_ns})
        assert verdict(Observer.CHECK, stale, QUERY).seen is seen


def test_an_observer_without_a_signal_does_not_cover_the_fault() -> None:
    assert verdict(Observer.CHECK, EMPTY).says == ("not covered: it has no signal for this",)
    assert verdict(Observer.MONITORS, EMPTY).says == ("not covered: no monitor is about this",)


def check(at_s: float, status: int) -> ServiceCheck:
    return ServiceCheck(
        at_ns=T0 + round(at_s * NS), source=Source.AGENT, host="h", name="c", status=status, tags=()
    )


@pytest.mark.parametrize(
    ("statuses", "seen"),
    [((0, 0, 2, 0), Seen.SEEN), ((0, 0, 0, 0), Seen.MISSED), ((0,), Seen.UNKNOWN)],
)
def test_a_service_check_that_is_critical(statuses: tuple[int, ...], seen: Seen) -> None:
    signal = Checks(says="c", name="c", above=0.5)
    runs = tuple(check(15 * n - 10, status) for n, status in enumerate(statuses))
    assert verdict(Observer.CHECK, replace(EMPTY, checks=runs), signal).seen is seen


@pytest.mark.parametrize(
    ("at_s", "seen"),
    [(-1, Seen.UNKNOWN), (0, Seen.MISSED), (60, Seen.MISSED), (61, Seen.UNKNOWN)],
)
def test_a_run_of_the_service_check_during_the_fault_makes_a_miss(at_s: float, seen: Seen) -> None:
    """From the injection to the healing; without one nothing is known."""
    signal = Checks(says="c", name="c", above=0.5)
    found = verdict(Observer.CHECK, replace(EMPTY, checks=(check(at_s, 0),)), signal)
    assert found.seen is seen
    assert found.says == ("c: did not rise" if seen is Seen.MISSED else "c: no runs of c",)


def fired(*at_s: float) -> tuple[Alert, ...]:
    return tuple(
        Alert(
            name="M", labels={"app": "credit-drill"}, pending_ns=None, firing_ns=T0 + round(at * NS)
        )
        for at in at_s
    )


EVERY = tuple(T0 + 15 * n * NS for n in range(-2, 8))


@pytest.mark.parametrize(
    ("result", "seen", "after_s"),
    [
        (MonitorResult(alerts=fired(20)), Seen.SEEN, 20.0),
        (MonitorResult(alerts=fired(120)), Seen.SEEN, 120.0),
        (
            MonitorResult(alerts=fired(121), data_ns=EVERY, allowed_gap_ns=30 * NS),
            Seen.MISSED,
            None,
        ),
        (MonitorResult(alerts=fired(-10)), Seen.UNKNOWN, None),
        (MonitorResult(alerts=fired(0)), Seen.SEEN, 0.0),
        (
            MonitorResult(held_ns=(T0,), data_ns=EVERY, allowed_gap_ns=15 * NS),
            Seen.UNKNOWN,
            None,
        ),
        (
            MonitorResult(held_ns=(T0 + 80 * NS,), data_ns=EVERY, allowed_gap_ns=15 * NS),
            Seen.UNKNOWN,
            None,
        ),
        (
            MonitorResult(
                held_ns=(T0 - 1, T0 + 80 * NS + 1), data_ns=EVERY, allowed_gap_ns=15 * NS
            ),
            Seen.MISSED,
            None,
        ),
        (MonitorResult(doubt="no points"), Seen.UNKNOWN, None),
        (MonitorResult(data_ns=EVERY, allowed_gap_ns=14 * NS), Seen.UNKNOWN, None),
        (MonitorResult(data_ns=EVERY, allowed_gap_ns=15 * NS), Seen.MISSED, None),
    ],
)
def test_a_monitor_counts_until_a_minute_after_the_heal(
    result: MonitorResult, seen: Seen, after_s: float | None
) -> None:
    found = verdict(Observer.MONITORS, replace(EMPTY, monitors={"M": result}), monitors=("M",))
    assert (found.seen, found.after_s) == (seen, after_s)


def test_a_monitor_that_was_not_evaluated_is_unknown() -> None:
    found = verdict(Observer.MONITORS, EMPTY, monitors=("Other",))
    assert (found.seen, found.says) == (Seen.UNKNOWN, ("Other was not evaluated",))
