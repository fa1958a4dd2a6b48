"""Between two drills: a real Prometheus whose ServiceDown is pending, until the service is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from lab.drills import settling
from lab.drills.catalogue import DRILLS
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S as NS
from lab.telemetry.store import Bounds, Writer
from tests import evidence
from tests.fix_postgres import free_port
from tests.fix_prometheus import Prometheus, running_prometheus
from tests.fix_reporter import RecordedReporter
from tests.fix_store import HOUR_NS, Tally

DOWN = 'ALERTS{alertname="ServiceDown"}'
LONG_AGO = 0


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    return LabSettings(
        _env_file=None,
        lab_state_dir=tmp_path,
        proposals_port=free_port(),
        prometheus_port=free_port(),
    )


@contextmanager
def service(settings: LabSettings) -> Iterator[None]:
    """Something that answers scrapes where credit-proposals would."""
    server, thread = start_http_server(
        settings.proposals_port, addr="127.0.0.1", registry=CollectorRegistry()
    )
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def alarmed(settings: LabSettings) -> Iterator[tuple[LabSettings, Prometheus]]:
    """A Prometheus that scrapes a missing service, so that the alert fires."""
    with running_prometheus(settings, "proposals") as prometheus:
        await_state(
            "ServiceDown is pending",
            lambda: None if prometheus.query(DOWN) else "silent",
            within_s=120,
        )
        yield settings.model_copy(update={"prometheus_port": prometheus.port}), prometheus


def test_the_next_drill_waits_until_its_alerts_are_silent(settings: LabSettings) -> None:
    """ServiceDown, of service-stopped, is waited for, until a scrape of the service succeeds."""
    reported = RecordedReporter()
    with alarmed(settings) as (found, prometheus):
        waiting = Thread(
            target=settling.settle, args=(LONG_AGO, DRILLS["service-stopped"], found, reported)
        )
        waiting.start()
        await_state(
            "it is waited",
            lambda: None if reported.waits else "nothing is waited for",
            within_s=120,
        )
        assert not reported.ends
        with service(settings):
            waiting.join(200)
            assert not waiting.is_alive()
            # More than the judge's 20 s, as it begins a moment later.
            assert not prometheus.query(f"last_over_time({DOWN}[28s:2s])")

    assert set(reported.waits) == {"ServiceDown"}
    assert reported.ends == ["settle"]


def test_a_drill_without_that_alert_does_not_wait_for_it(settings: LabSettings) -> None:
    """Slow-query has no alert, deadlocks another one."""
    reported = RecordedReporter()
    with alarmed(settings) as (found, _):
        for name in ("slow-query", "deadlocks"):
            settling.settle(LONG_AGO, DRILLS[name], found, reported)

    assert not reported.waits
    assert reported.ends == ["settle", "settle"]


def test_an_alert_that_does_not_fall_silent_is_told_and_left(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As is a Prometheus that does not answer: the drill continues, its verdict will be unknown."""
    monkeypatch.setattr(settling, "RESOLVES_WITHIN_S", 0.2)
    reported = RecordedReporter()
    with alarmed(settings) as (found, _):
        settling.settle(LONG_AGO, DRILLS["service-stopped"], found, reported)
    settling.settle(LONG_AGO, DRILLS["service-stopped"], settings, reported)

    fires, silent = reported.ends
    assert fires.endswith("the alerts of service-stopped are inactive; last seen: ServiceDown")
    assert "Prometheus does not answer" in silent


def test_a_monitor_in_the_state_alert_is_waited_for(settings: LabSettings) -> None:
    """DeadTuplesGrow of the last five minutes, of the next drill's monitors; not one of another drill."""
    now_ns = clock.now_ns()
    points = [(now_ns - at_s * NS, 9_000.0) for at_s in range(300, 0, -15)]
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(Paths.of(settings).store, bounds, Tally()) as writer:
        for name in ("postgresql.dead_rows", "postgresql.live_rows"):
            series = evidence.metric(name, *points, table="customers", host="here")
            writer.commit(series, timeout_s=60)
    assert (
        settling._Monitors(DRILLS["held-snapshot"], settings).active() == "monitor DeadTuplesGrow"
    )
    assert settling._Monitors(DRILLS["work-mem-spill"], settings).active() is None


def test_without_a_store_no_monitor_is_waited_for(settings: LabSettings) -> None:
    assert settling._Monitors(DRILLS["held-snapshot"], settings).active() is None
