"""Monitors of restarts, call surges and slow burns: when they fire, and when they do not; their links."""

import json
from collections.abc import Sequence

import pytest

from lab.datadog.definitions import FOLDER, for_lab, read
from lab.foundation.settings import LabSettings
from lab.judge.evidence import MetricTrack, MonitorResult
from lab.judge.metric_tracks import REPORTED_HOST
from lab.judge.monitor_definitions import read as monitor_of
from lab.judge.monitors import result

NS = 1_000_000_000
MINUTE = 60 * NS
# A whole minute.
T0 = 29_000_000 * MINUTE
EVERY_S = 15


def track(name: str, values: Sequence[float], *, count: bool = False, **tags: str) -> MetricTrack:
    """A point every 15 s from five seconds after a whole minute."""
    points = tuple((T0 + (5 + EVERY_S * n) * NS, value) for n, value in enumerate(values))
    return MetricTrack(
        name=name, tags=tags, is_count=count, interval_s=float(EVERY_S), points=points
    )


def minutes_fired(stem: str, *tracks: MetricTrack, since: int, until: int) -> list[float]:
    """Return the minutes at which a monitor of datadog/monitors begins to fire."""
    body = json.loads((FOLDER / "monitors" / f"{stem}.json").read_text(encoding="utf-8"))
    metrics: dict[str, tuple[MetricTrack, ...]] = {}
    for one in tracks:
        metrics[one.name] = (*metrics.get(one.name, ()), one)
    found: MonitorResult = result(
        monitor_of(stem, body),
        metrics,
        (),
        since_ns=T0 + since * MINUTE,
        until_ns=T0 + until * MINUTE,
    )
    assert found.doubt is None
    return [(a.firing_ns - T0) / MINUTE for a in found.alerts if a.firing_ns is not None]


def per_minute(*levels: tuple[int, float]) -> list[float]:
    """Return points of so many minutes at each level."""
    return [value for minutes, value in levels for _ in range(minutes * 60 // EVERY_S)]


def test_a_restart_fires_once_and_a_running_server_does_not() -> None:
    before = [1_000.0 + EVERY_S * n for n in range(10 * 4)]
    after = [float(EVERY_S * n) for n in range(12 * 4)]
    uptime = track("postgresql.uptime", [*before, *after], host=REPORTED_HOST)
    assert minutes_fired("DatabaseRestarted", uptime, since=7, until=22) == [11.0]
    uptime = track("postgresql.uptime", before, host=REPORTED_HOST)
    assert minutes_fired("DatabaseRestarted", uptime, since=7, until=10) == []


@pytest.mark.parametrize(("calls", "fires"), [(110.0, True), (90.0, False)])
def test_a_surge_is_five_times_the_floor_of_two_calls_a_second(calls: float, fires: bool) -> None:
    tags = {"host": REPORTED_HOST, "user": "credit_app", "db": "creditdb", "query_signature": "a"}
    counted = track(
        "postgresql.queries.count", per_minute((36, 1.0), (8, calls)), count=True, **tags
    )
    fired = minutes_fired("CallSurge", counted, since=36, until=44)
    assert bool(fired) is fires


@pytest.mark.parametrize(("share", "fires"), [(0.004, False), (0.006, True)])
def test_a_small_share_of_errors_fires_after_half_an_hour(share: float, fires: bool) -> None:
    parts = {"hits": 1_000.0, "errors": 1_000.0 * share}
    tracks = [
        track(f"trace.credit.operation.{name}", per_minute((40, value)), count=True, service="credit-risk")
        for name, value in parts.items()
    ]  # fmt: skip
    assert bool(minutes_fired("WorkloadErrorsContinue", *tracks, since=31, until=40)) is fires


@pytest.mark.parametrize(("seconds", "fires"), [(0.04, False), (0.06, True)])
def test_a_small_start_delay_fires_after_half_an_hour(seconds: float, fires: bool) -> None:
    prefix = "credit.start_delay_seconds."
    parts = {"count": 1_000.0, "sum": 1_000.0 * seconds}
    tracks = [
        track(f"{prefix}{name}", per_minute((40, value)), count=True, service="credit-risk")
        for name, value in parts.items()
    ]
    assert bool(minutes_fired("WorkloadLateContinues", *tracks, since=31, until=40)) is fires


def test_a_push_sends_the_addresses_of_this_lab() -> None:
    settings = LabSettings(
        _env_file=None, console_port=18088, grafana_url="https://grafana.example.com"
    )
    for definition in for_lab(read(FOLDER), settings):
        text = json.dumps(definition.body)
        assert "127.0.0.1:8088" not in text
        if "message" in definition.body:
            assert "http://127.0.0.1:18088/runbook/" in text
            assert "https://grafana.example.com/d/credit-lab-" in text
