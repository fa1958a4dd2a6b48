"""The Agent's metrics over HTTP: stored by name, counted in the console's metrics, shown by `status`."""

import json

from lab.foundation import clock
from lab.foundation.readiness import await_state
from lab.stack.intake_rates import IntakeRates
from lab.telemetry.store import MetricPoint, MetricSeries, Record, ServiceCheck
from tests.fix_console import RunningConsole

WITHIN_S = 150.0
KEPT = 'lab_intake_metric_points_total{kept="yes"}'
COUNTED = 'lab_intake_metric_points_total{kept="no"}'


def body(*names: str) -> bytes:
    now_s = clock.now_ns() // 1_000_000_000
    series = [
        {
            "metric": name,
            "points": [[now_s - 15, 1.0], [now_s, 2.0]],
            "type": "gauge",
            "interval": 15,
        }
        for name in names
    ]
    return json.dumps({"series": series}).encode()


def fewer(console: RunningConsole, kind: type[Record], expected: int) -> str | None:
    """What await_state shows until so many records of a kind are stored."""
    found = len(console.reader.select(kind))
    return None if found == expected else f"{found} of {expected} records"


def test_listed_names_are_stored_and_others_counted(console: RunningConsole) -> None:
    before = console.metric(KEPT), console.metric(COUNTED)
    sent = body("postgresql.commits", "postgresql.uptime", "system.load.1")
    assert console.send("POST", "/api/v1/series", sent).status == 200
    run = {"check": "postgres.can_connect", "status": 0, "timestamp": clock.now_ns() / 1e9}
    assert console.send("POST", "/api/v1/check_run", json.dumps([run]).encode()).status == 200
    assert (console.metric(KEPT), console.metric(COUNTED)) == (before[0] + 5, before[1] + 2)
    await_state(
        "the points are in the store",
        lambda: fewer(console, MetricPoint, 4),
        within_s=WITHIN_S,
    )
    names = {series.name for series in console.reader.select(MetricSeries)}
    assert names == {"postgresql.commits", "postgresql.uptime"}
    await_state(
        "the service check is in the store",
        lambda: fewer(console, ServiceCheck, 1),
        within_s=WITHIN_S,
    )


def test_status_shows_how_many_names_are_stored(console: RunningConsole) -> None:
    console.send("POST", "/api/v1/series", body("postgresql.commits", "system.load.1"))
    health = console.send("GET", "/healthz").json()
    assert health["metric_names"]["kept"] >= 1
    names = health["metric_names"]
    rates = IntakeRates(
        **health["rates"],
        store_bytes=0,
        metric_names_kept=names["kept"],
        metric_names_counted=names["counted"],
    )
    line = f"Agent's metrics: {names['kept']} names stored, {names['counted']} only counted"
    assert line in str(rates)
