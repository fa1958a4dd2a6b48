"""The check's metrics as the embedded agent takes them from a real PostgreSQL, as the intake reads them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from lab.clients.database import Connection, Role, rows
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from lab.telemetry.embedded.__main__ import Agent
from lab.telemetry.embedded.collector import Collector
from lab.telemetry.intake import STREAMS
from lab.telemetry.intake.metric_names import CONNECTIONS, KEPT_METRICS, CheckType
from lab.telemetry.store import MetricPoint, MetricSeries, MetricType, Source
from tests.embedded import deliver
from tests.fix_console import RunningConsole
from tests.fix_postgres import Database

WITHIN_S = 150.0
TYPES = {
    CheckType.GAUGE: MetricType.GAUGE,
    CheckType.RATE: MetricType.GAUGE,
    CheckType.MONOTONIC_COUNT: MetricType.COUNT,
}
KNOWN = yaml.safe_load((ROOT / "tests/contract/datadog_metrics.yaml").read_text())["metrics"]


class Sent:
    """A collector whose payloads are kept, by path."""

    def __init__(self, database: Database) -> None:
        self.payloads: dict[str, list[Any]] = {}
        self.skipped: list[str] = []
        self.collector = Collector(host="h", database=database.name, put=self._put)
        self.collector.skipped = self.skipped.append

    def _put(self, path: str, events: list[Any]) -> None:
        self.payloads[path] = events

    def series(self, connection: Connection) -> dict[tuple[str, tuple[str, ...]], float]:
        """One run of the check: values by name and tags, as the intake stores them."""
        self.collector.check_metrics(connection)
        body = json.dumps({"series": self.payloads["/api/v2/series"]}).encode()
        records = STREAMS["/api/v2/series"].decode(body).records
        found = {r.key: r for r in records if isinstance(r, MetricSeries)}
        points = [r for r in records if isinstance(r, MetricPoint)]
        for one in found.values():
            assert (one.source, one.interval_s) == (Source.EMBEDDED, 15.0)
            assert one.type is TYPES[KEPT_METRICS[one.name]], one.name
        return {(found[p.series].name, found[p.series].tags): p.value for p in points}


@pytest.fixture
def datadog(database: Database) -> Iterator[Connection]:
    with database.connect(Role.DATADOG) as connection:
        yield connection


def test_it_sends_the_kept_names_with_the_checks_types_and_tags(
    database: Database, datadog: Connection
) -> None:
    """But for the metric that Datadog makes of dbmactivity."""
    sent = Sent(database)
    with database.connect(Role.APP) as app:
        rows(app, "BEGIN")
        rows(app, "SELECT 1 FROM credit_products LIMIT 1")
        with database.connect(Role.SUPERUSER) as superuser:
            # Bloat is estimated from the statistics of tables that the role may read.
            rows(superuser, "CREATE TABLE wide AS SELECT generate_series(1, 2000) AS a")
            rows(superuser, "GRANT SELECT ON wide TO datadog")
            rows(superuser, "ANALYZE wide")
        rows(datadog, "SELECT datadog.explain_statement('SELECT 1')")
        rows(datadog, "SELECT pg_stat_force_next_flush()")
        sent.series(datadog)
        found = sent.series(datadog)
        rows(app, "ROLLBACK")
    assert sent.skipped == []
    # Those of the services come from an Agent's openmetrics check.
    kept = {name for name in KEPT_METRICS if name.startswith("postgresql.")}
    assert {name for name, _ in found} == kept - {CONNECTIONS}
    tags: dict[str, set[str]] = {}
    for name, of_series in found:
        tags.setdefault(name, set()).update(tag.split(":")[0] for tag in of_series)
    documented = {name: set(KNOWN[name]["tags"]) for name in tags if name in KNOWN}
    assert {name: tags[name] & documented[name] for name in documented} == documented


def test_counters_are_what_was_added_and_gauges_what_is(
    database: Database, datadog: Connection
) -> None:
    sent = Sent(database)
    before = sent.series(datadog)
    common = ("db:" + database.name, "service:credit-postgres")
    table = ("db:" + database.name, "schema:public", "service:credit-postgres", "table:measured")
    assert ("postgresql.rows_inserted", table) not in before
    with database.connect(Role.SUPERUSER) as superuser:
        rows(superuser, "CREATE TABLE measured AS SELECT 1 AS a WHERE false")
        sent.series(datadog)
        rows(superuser, "INSERT INTO measured SELECT generate_series(1, 30)")
        rows(superuser, "SELECT pg_stat_force_next_flush()")
        found = sent.series(datadog)
        rows(superuser, "DROP TABLE measured")
    assert found["postgresql.live_rows", table] == 30.0
    assert found["postgresql.rows_inserted", table] > 0.0
    size = found["postgresql.database_size", common]
    assert size > 1_000_000


def test_connections_are_sent_with_activity(database: Database, datadog: Connection) -> None:
    """Idle sessions too, by application, state, user and database."""
    sent = Sent(database)
    with database.connect(Role.APP) as first, database.connect(Role.APP) as second:
        rows(first, "SELECT 1")
        rows(second, "SELECT 1")
        sent.collector.sessions(datadog)
    body = json.dumps(sent.payloads["/api/v2/dbmactivity"]).encode()
    records = STREAMS["/api/v2/dbmactivity"].decode(body).records
    series = {r.key: r for r in records if isinstance(r, MetricSeries)}
    points = {r.series: r.value for r in records if isinstance(r, MetricPoint)}
    counted = [
        points[key]
        for key, one in series.items()
        if {f"db:{database.name}", "user:credit_app"} <= set(one.tags)
    ]
    assert sum(counted) == 2.0


def test_the_console_stores_what_the_agent_sends(
    database: Database, console: RunningConsole, datadog: Connection
) -> None:
    """Over HTTP, in the first tick: gauges, and the connections."""
    update = {"console_port": console.port, "bind_address": "127.0.0.1"}
    settings = database.settings.model_copy(update=update)
    with database.connect(Role.APP) as app:
        rows(app, "SELECT 1")
        agent = Agent(settings, CollectorRegistry())
        agent.tick(datadog)
        deliver(agent)

    def missing() -> str | None:
        names = {series.name for series in console.reader.select(MetricSeries)}
        absent = {CONNECTIONS, "postgresql.uptime", "postgresql.dead_rows"} - names
        return f"no {', '.join(sorted(absent))}" if absent else None

    await_state("the metrics are in the store", missing, within_s=WITHIN_S)
    assert {s.source for s in console.reader.select(MetricSeries)} == {Source.EMBEDDED}
