"""Datadog's monitors over series: windows, groups, missing data, recovery, and what is refused by name."""

from dataclasses import replace
from typing import Any

import pytest

from lab.judge.collect_metrics import definitions
from lab.judge.evidence import MetricTrack, MonitorResult
from lab.judge.metric_query import UnsupportedQueryError
from lab.judge.metric_values import Metrics
from lab.judge.monitor_definitions import CheckMonitor, Monitor, read
from lab.judge.monitors import result
from lab.telemetry.store import ServiceCheck, Source

NS = 1_000_000_000
MINUTE = 60 * NS
# A whole minute.
T0 = 29_000_000 * MINUTE


def definition(query: str, **options: Any) -> dict[str, Any]:
    kind = "service check" if query.startswith('"') else "query alert"
    return {"type": kind, "query": query, "options": {"on_missing_data": "resolve", **options}}


def track(
    *values: float | None, from_s: float = 5.0, count: bool = False, **tags: str
) -> MetricTrack:
    """Points every 15 s from five seconds after the whole minute; None leaves one out."""
    points = tuple(
        (T0 + round((from_s + 15 * n) * NS), value)
        for n, value in enumerate(values)
        if value is not None
    )
    return MetricTrack(name="m", tags=tags, is_count=count, interval_s=15.0, points=points)


def judged(
    query: str, *tracks: MetricTrack, minutes: int = 6, since: int = 0, **options: Any
) -> MonitorResult:
    metrics: Metrics = {"m": tracks}
    monitor = read("M", definition(query, **options))
    return result(
        monitor, metrics, (), since_ns=T0 + since * MINUTE, until_ns=T0 + minutes * MINUTE
    )


def fired_s(found: MonitorResult) -> list[float]:
    return [(alert.firing_ns - T0) / NS for alert in found.alerts if alert.firing_ns is not None]


def test_a_monitor_fires_at_the_next_whole_minute_and_again_after_its_recovery() -> None:
    """Once for each change: 9 at 20 s fires at 60 s, is over at 120 s, and fires again at 240 s."""
    values = [0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0]
    found = judged("max(last_1m):sum:m{*} > 5", track(*values), since=1)
    assert fired_s(found) == [60.0, 240.0]
    assert found.doubt is None
    assert [(at - T0) / NS for at in found.held_ns] == [60.0, 185.0, 200.0, 215.0, 230.0, 240.0]


@pytest.mark.parametrize(
    ("compare", "limit", "fires"),
    [(">", 5, False), (">=", 5, True), ("<", 5, False), ("<=", 5, True), ("<", 6, True)],
)
def test_comparisons(compare: str, limit: int, fires: bool) -> None:
    found = judged(f"max(last_1m):sum:m{{*}} {compare} {limit}", track(*[5] * 24), since=1)
    assert bool(found.alerts) is fires
    assert found.doubt is None


@pytest.mark.parametrize(("aggregator", "fires"), [("max", True), ("avg", False), ("min", False)])
def test_a_window_is_aggregated(aggregator: str, fires: bool) -> None:
    found = judged(f"{aggregator}(last_1m):sum:m{{*}} > 5", track(*[0, 0, 0, 9] * 6), since=1)
    assert bool(found.alerts) is fires


def test_each_group_has_a_state_of_its_own() -> None:
    found = judged(
        "max(last_1m):sum:m{*} by {db} > 5",
        track(*[9] * 24, db="x"),
        track(*[0] * 24, db="y"),
        since=1,
    )
    assert [alert.labels for alert in found.alerts] == [{"alertname": "M", "db": "x"}]


def test_recovery_may_have_a_threshold_of_its_own() -> None:
    values = [9] * 4 + [4] * 8 + [9] * 12
    thresholds = {"critical": 5, "critical_recovery": 3}
    found = judged("min(last_1m):sum:m{*} > 5", track(*values), since=1, thresholds=thresholds)
    assert fired_s(found) == [60.0], "4 is no recovery below 3"
    assert len(fired_s(judged("min(last_1m):sum:m{*} > 5", track(*values), since=1))) == 2


def test_an_alert_that_was_active_before_the_window_is_one_of_before() -> None:
    found = judged("max(last_1m):sum:m{*} > 5", track(*[9] * 24), since=3)
    assert fired_s(found) == [180.0]


@pytest.mark.parametrize(
    ("missing", "fired"),
    [("resolve", [60.0, 240.0]), ("default", [60.0]), ("show_no_data", [60.0, 240.0])],
)
def test_a_group_without_data_follows_the_option(missing: str, fired: list[float]) -> None:
    """A gauge keeps its state by default, or is resolved; another group shows that the check runs."""
    values = [9] * 4 + [None] * 8 + [9] * 12
    found = judged(
        "max(last_1m):sum:m{*} by {db} > 5", track(*values, db="x"), track(*[0] * 24, db="y"),
        since=1, on_missing_data=missing,
    )  # fmt: skip
    assert fired_s(found) == fired


def test_a_count_without_data_is_zero_while_others_have_data() -> None:
    """A service that completes nothing; the others show that data arrive."""
    query = "sum(last_1m):sum:m{*} by {service}.as_count() < 1"
    tracks = (
        track(*[2] * 12, service="gone", count=True), track(*[2] * 24, service="other", count=True),
    )  # fmt: skip
    found = judged(query, *tracks, since=1, on_missing_data="default")
    assert [
        (a.labels["service"], s) for a, s in zip(found.alerts, fired_s(found), strict=True)
    ] == [("gone", 240.0)]
    assert found.doubt is None


def test_data_that_stop_for_all_are_no_zero() -> None:
    """A stopped Agent is neither an alert nor a recovery: the result is unknown."""
    query = "sum(last_2m):sum:m{*} by {service}.as_count() < 9"
    found = judged(
        query, track(*[2] * 12, service="a", count=True), since=2, on_missing_data="default"
    )
    assert found.alerts == ()
    assert found.doubt is not None
    assert "a gap" in found.doubt


def test_an_empty_window_is_unknown() -> None:
    found = judged("max(last_1m):sum:m{*} > 5", track(*[0] * 8), since=1)
    assert found.alerts == ()
    assert found.doubt == "M: no data in the 60 s before an evaluation"
    assert judged("max(last_1m):sum:m{*} > 5").doubt == "M: no points of m"


def test_a_point_at_a_whole_minute_belongs_to_the_evaluation_of_this_minute() -> None:
    """And not to the next one: the window begins after its start."""
    found = judged("max(last_1m):sum:m{*} > 5", track(9, from_s=60), since=1, minutes=2)
    assert fired_s(found) == [60.0]
    assert found.doubt == "M: no data in the 60 s before an evaluation"
    again = track(9, *[0] * 7, 9, from_s=60)
    found = judged("max(last_1m):sum:m{*} > 5", again, since=1, minutes=3)
    assert (fired_s(found), found.doubt) == ([60.0, 180.0], None)


def test_the_runs_at_both_ends_of_the_window_are_seen() -> None:
    """Its first and its last moment are no whole minutes: the condition is met, and nothing fires."""
    metrics: Metrics = {"m": [track(0, 0, 0, 0, 9, 9)]}
    monitor = read("M", definition("max(last_1m):sum:m{*} > 5"))
    found = result(monitor, metrics, (), since_ns=T0 + 65 * NS, until_ns=T0 + 80 * NS)
    assert found.alerts == ()
    assert [(at - T0) / NS for at in found.held_ns] == [65.0, 80.0]


@pytest.mark.parametrize(("last_s", "is_known"), [(112.5, True), (112.6, False)])
def test_a_gap_of_two_and_a_half_intervals_is_allowed(last_s: float, is_known: bool) -> None:
    """For a monitor that fires below its threshold, where missing data would look like a fall."""
    points = tuple((T0 + round(at_s * NS), 1.0) for at_s in (75.0, last_s))
    one = MetricTrack(name="m", tags={}, is_count=False, interval_s=15.0, points=points)
    found = judged("max(last_1m):sum:m{*} < 5", one, since=2, minutes=2)
    assert bool(found.alerts) is is_known
    assert found.doubt == (None if is_known else "M: a gap in the data of an evaluation")


def test_a_change_is_compared_with_the_window_before() -> None:
    query = "pct_change(avg(last_1m),last_2m):sum:m{*} > 100"
    found = judged(query, track(*[1] * 12, *[5] * 12), since=3)
    assert fired_s(found) == [240.0]
    short = judged(query, track(*[5] * 24), since=1, minutes=2)
    assert short.doubt == "M: no data of 2 minutes before"


@pytest.mark.parametrize(
    ("query", "options", "named"),
    [
        ("avg(last_5m):anomalies(avg:m{*}, 'basic', 2) >= 1", {}, "anomalies"),
        ("percentile(last_5m):avg:m{*} > 1", {}, "percentile(last_5m)"),
        ("avg(last_1d):avg:m{*} > 1", {}, "avg(last_1d)"),
        ("change(avg(last_5m),last_30m):avg:m{*} > 1", {}, "change(avg(last_5m),last_30m)"),
        ("avg(last_5m):avg:m{*}", {}, "comparison"),
        ("avg(last_5m):3 > 1", {}, "without a metric"),
        ("avg(last_5m):sum:m{*}.as_count() > 1", {}, "as_count()"),
        ("sum(last_5m):sum:m{*}.as_count() / sum:n{*} > 1", {}, "as_count()"),
        ("avg(last_5m):avg:m{*} > 1", {"evaluation_delay": 60}, "evaluation_delay"),
        ("avg(last_5m):avg:m{*} > 1", {"require_full_window": True}, "require_full_window"),
        ("avg(last_5m):avg:m{*} > 1", {"on_missing_data": "guess"}, "guess"),
        ("avg(last_5m):avg:m{*} > 1", {"thresholds": {"unknown": 1}}, "unknown"),
        ('"c".over("*").last(4).count_by_status()', {}, '"c".over'),
    ],
)
def test_what_is_outside_of_the_subset_is_refused_by_name(
    query: str, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(UnsupportedQueryError) as refused:
        read("M", definition(query, **options))
    assert named in str(refused.value)


def test_other_types_of_monitors_are_refused() -> None:
    with pytest.raises(UnsupportedQueryError, match="log alert"):
        read("M", {"type": "log alert", "query": "logs()"})


def test_as_count_of_a_gauge_is_unknown() -> None:
    found = judged("sum(last_1m):sum:m{*}.as_count() > 1", track(*[2] * 24), since=1)
    assert found.alerts == ()
    assert found.doubt == "M is not evaluated: unsupported: as_count() of m, which is no count"


CHECK = '"postgres.can_connect".over("host:db").by("host").last(4).count_by_status()'


def checks(*statuses: int, host: str = "db") -> list[ServiceCheck]:
    return [
        ServiceCheck(
            at_ns=T0 + (5 + 15 * n) * NS, source=Source.AGENT, host=host, name="postgres.can_connect",
            status=status, tags=(),
        )
        for n, status in enumerate(statuses)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("statuses", "fired"),
    [
        ([0] * 8, []),
        ([0, 0, 2, 2, 2, 2, 0, 0], [60.0]),
        ([0, 2, 0, 2, 0, 2, 0, 2], []),
        ([2, 2, 2, 2, 0, 2, 2, 2], [60.0, 120.0]),
    ],
)
def test_a_service_check_counts_runs_in_a_row(statuses: list[int], fired: list[float]) -> None:
    """Two critical runs in a row; one that is ok resolves it, seen at an evaluation."""
    monitor = read("P", definition(CHECK, thresholds={"critical": 2, "ok": 1}))
    found = result(monitor, {}, checks(*statuses), since_ns=T0, until_ns=T0 + 2 * MINUTE)
    if statuses == [2, 2, 2, 2, 0, 2, 2, 2]:
        # The recovery between two evaluations is not seen: the state stays alert.
        fired = [60.0]
    assert fired_s(found) == fired


def test_a_run_at_the_evaluation_counts() -> None:
    """It is also enough for a result when it is the only one of the window."""
    monitor = read("P", definition(CHECK, thresholds={"critical": 1}))
    [run] = checks(2)
    for since_ns, until_ns in ((T0, T0 + MINUTE), (T0 + MINUTE, T0 + 2 * MINUTE)):
        runs = [replace(run, at_ns=T0 + MINUTE)]
        found = result(monitor, {}, runs, since_ns=since_ns, until_ns=until_ns)
        assert (fired_s(found), found.doubt) == ([60.0], None)


def test_a_service_check_of_another_host_or_without_runs_is_unknown() -> None:
    monitor = read("P", definition(CHECK, thresholds={"critical": 2, "ok": 1}))
    for runs in ([], checks(2, 2, 2, host="other")):
        found = result(monitor, {}, runs, since_ns=T0, until_ns=T0 + MINUTE)
        assert (found.alerts, found.doubt) == ((), "P: no runs of postgres.can_connect")


def test_every_monitor_of_the_lab_is_in_the_subset() -> None:
    """And its threshold is that of its query."""
    found = definitions()
    assert found.refused == {}
    assert {type(monitor) for monitor in found.known.values()} == {Monitor, CheckMonitor}
    assert found.reach_ns == 35 * MINUTE
