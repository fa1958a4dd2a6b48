"""The parts of the console's pages that a real Prometheus answers, from samples of one known minute."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from starlette.requests import Request

from lab.clients.prometheus import Prometheus
from lab.compare.resources import DATADOG, PROMETHEUS
from lab.compare.traffic import _scraped, _sent, _stored_by
from lab.console.overview import Health, health, services_health
from lab.console.overview.health import Freshness
from lab.console.pages import alerts, expression
from lab.console.pages.chart import Chart
from lab.drilldown import Drilldown
from lab.foundation import clock
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import moment
from lab.telemetry.store import Bounds, Reader, Record, Writer
from tests import evidence
from tests.fix_postgres import free_port, settings_for
from tests.fix_prometheus import backfill, running_prometheus
from tests.fix_store import HOUR_NS, Tally

S = 1_000_000_000
MINUTE_NS = 60 * S
# Prometheus has a clock of its own.
pytestmark = pytest.mark.real_clock


# Of two jobs, which are not scraped while the test runs.
CONFIGURATION = """
scrape_configs:
  - {job_name: known, scrape_interval: 30d, static_configs: [{targets: ["127.0.0.1:1"]}]}
  - {job_name: new, scrape_interval: 30d, static_configs: [{targets: ["127.0.0.1:2"]}]}
"""
A_MONTH_S = 30 * 86_400


def samples(begin: int) -> Iterator[str]:
    """Of the minute that begins at a second since 1970: 0, 10, ... 60 s."""
    own = 'service="credit-risk"'
    for at in range(0, 61, 10):
        now = begin + at
        for name, value in {
            'up{job="postgres"}': 1,
            'up{job="credit",service="credit-risk"}': 0,
            'up{job="credit",service="credit-proposals"}': 1,
            'up{job="prometheus"}': 1,
            'pg_up{job="postgres"}': 0,
            f"service:credit_operations:rate1m{{{own}}}": at,
            'service:credit_operations:rate1m{service="own-service"}': 5,
            f"service:credit_operation_errors:ratio_rate5m{{{own}}}": 0.25,
            'service:credit_operation_errors:ratio_rate5m{service="credit-proposals"}': "NaN",
            **{
                f'service:credit_operation_duration_seconds:quantile_rate5m{{{own},quantile="{q}"}}': v
                for q, v in (("0.5", 0.1), ("0.95", "NaN" if at == 30 else 0.2), ("0.99", 0.3))
            },
            f'service:credit_start_delay_seconds:quantile_rate5m{{{own},quantile="0.99"}}': 0.4,
            'lab_embedded_failures_total{collector="schemas"}': 100 + at,
            'lab_embedded_failures_total{collector="activity"}': 100,
            'lab_embedded_rows_skipped_total{collector="metrics"}': 100 + at,
            'lab_store_refused_records_total{table="spans",reason="future"}': 1000 + 2 * at,
            'lab_intake_bytes_total{stream="traces"}': 1000 + 500 * at,
            'lab_intake_bytes_total{stream="series"}': 1000,
            'scrape_body_size_bytes{job="known",instance="a"}': 1000 * A_MONTH_S,
            'scrape_body_size_bytes{job="known",instance="b"}': 500 * A_MONTH_S,
            'scrape_samples_scraped{job="known"}': 3 * A_MONTH_S,
            "prometheus_tsdb_head_series": 250,
            "prometheus_tsdb_storage_blocks_bytes": 3_000_000,
            "prometheus_tsdb_wal_storage_size_bytes": 2_000_000,
            "prometheus_tsdb_head_chunks_storage_size_bytes": 500_000,
        }.items():
            yield f"{name} {value} {now}"
        for name, state, severity, age_s in (
            ("Later", "firing", "warning", 30), ("Earlier", "firing", "critical", 50),
            ("Soon", "pending", "warning", 90), ("Watchdog", "firing", "none", 99),
        ):  # fmt: skip
            labels = f'alertname="{name}",severity="{severity}",datname="credit db"'
            yield f'ALERTS{{alertstate="{state}",{labels}}} 1 {now}'
            yield f"ALERTS_FOR_STATE{{{labels}}} {begin - age_s} {now}"


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The sources of the pages; `start_ns` is the begin of the minute."""

    start_ns: int
    drilldown: Drilldown
    reader: Reader
    prometheus: Prometheus

    @property
    def begin(self) -> int:
        """The begin of the minute, in seconds since 1970."""
        return self.start_ns // S

    @property
    def at(self) -> datetime:
        """The end of the minute."""
        return moment(self.start_ns + 60 * S)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sources]:
    """A Prometheus with the minute, and a store with data of before its end."""
    # The last whole minute: an expression finds samples of the last five.
    start_ns = (clock.now_ns() // MINUTE_NS - 1) * MINUTE_NS
    state: Path = tmp_path_factory.mktemp("minute")
    update = {"lab_state_dir": state, "prometheus_port": free_port()}
    settings: LabSettings = settings_for(port=free_port(), database="absent").model_copy(
        update=update
    )
    bounds = Bounds(age_ns=HOUR_NS, size_bytes=10**9)
    with Writer(Paths.of(settings).store, bounds, Tally()) as writer:
        records: list[Record] = [
            evidence.root(1, start_ns=start_ns + 20 * S, duration_ns=10 * S),
            evidence.deltas(1, at_ns=start_ns + 15 * S),
        ]
        writer.commit(records, timeout_s=60)

    def prepare(directory: Path) -> None:
        backfill(settings, samples(start_ns // S))(directory)
        (directory / "prometheus.yml").write_text(CONFIGURATION, encoding="utf-8")

    with running_prometheus(settings, prepare=prepare) as running:
        settings = settings.model_copy(update={"prometheus_port": running.port})
        drilldown = Drilldown.of(settings)
        yield Sources(
            start_ns=start_ns,
            drilldown=drilldown,
            reader=drilldown.reader,
            prometheus=Prometheus.of(settings),
        )


def states(found: Health) -> dict[str, tuple[Outcome, str]]:
    return {one.name: (one.outcome, one.reason) for one in found.components}


def test_the_health_of_each_component_is_its_last_scrape(sources: Sources) -> None:
    """PostgreSQL's is pg_up; one without a series is unknown; the agent's is the age of its data."""
    found = health(sources.reader, sources.prometheus, at=sources.at)
    known = states(found)
    assert known["prometheus"] == known["postgres_exporter"] == (Outcome.OK, "")
    assert known["proposals"] == known["console"] == (Outcome.OK, "")
    assert known["postgres"] == known["risk"] == (Outcome.FAILED, "its last scrape failed")
    unknown, why = known["customers"]
    assert unknown is Outcome.UNKNOWN
    assert why == "Prometheus has no series of it: not started, or not scraped yet"
    stale = "its last DBM data are 46 s old"
    assert states(health(sources.reader, sources.prometheus, at=sources.at + timedelta(seconds=1)))[
        "datadog"
    ] == (Outcome.FAILED, stale)
    failures = "collectors with failures in the last ten minutes: metrics, schemas"
    assert known["datadog"] == (Outcome.OK, failures)
    assert {one.name: one.next_step for one in found.components}["risk"] == "./creditlab status"
    assert {one.name: one.next_step for one in found.components}["proposals"] == ""
    assert list(known)[:4] == ["prometheus", "postgres", "postgres_exporter", "proposals"]
    assert list(known)[-2:] == ["datadog", "console"]
    # 2 a second for a minute; increase() adds up to 11 s of it at either end.
    assert 120 <= found.refused <= 2 * (60 + 11 + 11)


def test_data_are_stale_after_twice_their_interval(sources: Sources) -> None:
    """Spans and scrapes after 30 s, deltas after 45 s; what never came has no age and is not stale."""

    def fresh(ago_s: float) -> dict[str, Freshness]:
        at = sources.at + timedelta(seconds=ago_s)
        return {
            one.what: one for one in health(sources.reader, sources.prometheus, at=at).freshness
        }

    for what, limit in (
        ("spans", 30.0), ("DBM query metrics", 45.0), ("Prometheus scrape", 30.0),
    ):  # fmt: skip
        newest_s = {"spans": 30, "DBM query metrics": 45, "Prometheus scrape": 0}[what]
        last = fresh(limit - newest_s)[what]
        assert (last.age_s, last.stale) == (limit, False), what
        later = fresh(limit - newest_s + 0.5)[what]
        assert (later.age_s, later.stale) == (limit + 0.5, True), what
        # A clock that is behind makes no negative age.
        assert fresh(-100)[what].age_s == 0.0
    never = fresh(0)["DBM activity"]
    assert (never.age_s, never.stale) == (None, False)


def test_rate_errors_and_durations_of_the_services(sources: Sources) -> None:
    """Each ten seconds of the window; NaN is no value; a service beyond the five follows them."""
    since = moment(sources.start_ns)
    found = services_health(sources.prometheus, since=since, until=sources.at)
    assert found.times == tuple(float(sources.begin + at) for at in range(10, 61, 10))
    names = [one.name for one in found.services]
    assert (len(names), names[-1]) == (6, "own-service")
    by_name = {one.name: one for one in found.services}
    risk = by_name["credit-risk"]
    assert (risk.rate, risk.errors, risk.delay_s) == (60.0, 0.25, 0.4)
    assert (risk.p50_s, risk.p95_s, risk.p99_s) == (0.1, 0.2, 0.3)
    assert risk.rates == (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
    assert risk.p95s == (0.2, 0.2, None, 0.2, 0.2, 0.2)
    assert by_name["credit-proposals"].errors is None
    assert by_name["credit-customers"].rates == (None,) * 6
    assert found.rate == 65.0
    longer = services_health(
        sources.prometheus, since=sources.at - timedelta(hours=1), until=sources.at
    )
    assert {
        after - before for before, after in zip(longer.times, longer.times[1:], strict=False)
    } == {60}
    assert len(longer.times) == 60


def test_firing_alerts_come_first_and_those_that_began_first(sources: Sources) -> None:
    """Pending ones follow; Watchdog is none of them. The command silences one with its labels."""
    values = alerts.page(sources.drilldown, Request({"type": "http"})).values
    active = values["active"]
    assert isinstance(active, list)
    assert [(one.name, one.severity, one.firing) for one in active] == [
        ("Earlier", "critical", True), ("Later", "warning", True), ("Soon", "warning", False),
    ]  # fmt: skip
    assert active[0].labels == {"datname": "credit db"}
    assert active[0].since == moment(sources.start_ns - 50 * S)
    assert (values["trouble"], values["watchdog"], values["late"]) == (None, None, None)
    port = sources.drilldown.settings.alertmanager_port
    assert alerts.silence(sources.drilldown.settings, "Earlier", active[0].labels) == (
        f"amtool --alertmanager.url=http://127.0.0.1:{port} silence add --duration=2h"
        " --comment='known' alertname=Earlier datname=credit%20db"
    )


def shown(sources: Sources, expr: str) -> dict[str, object]:
    query = urlencode({"expr": expr, "from": sources.begin, "to": sources.begin + 60})
    request = Request({"type": "http", "query_string": query.encode(), "headers": []})
    return dict(expression.page(sources.drilldown, request).values)


def test_an_expression_has_a_line_and_a_row_for_each_series(sources: Sources) -> None:
    """Each five seconds at least; the highest value first, those without a number last; gaps for NaN."""
    values = shown(sources, "service:credit_operations:rate1m")
    assert (values["step_s"], values["count"]) == (5, 2)
    name = "service:credit_operations:rate1m"
    assert values["rows"] == [
        (f'{name}{{service="credit-risk"}}', 60.0), (f'{name}{{service="own-service"}}', 5.0),
    ]  # fmt: skip
    chart = values["chart"]
    assert isinstance(chart, Chart)
    assert chart.times_ms == [1000 * (sources.begin + at) for at in range(0, 61, 5)]
    assert chart.series[0].values == [
        0.0,
        0.0,
        *(v for n in range(10, 60, 10) for v in (n, n)),
        60.0,
    ]
    assert [one.label for one in chart.series] == ["credit-risk", "own-service"]
    assert [one.css for one in chart.series] == ["c-line-0", "c-line-1"]
    durations = shown(sources, "service:credit_operation_duration_seconds:quantile_rate5m")["chart"]
    assert isinstance(durations, Chart)
    assert durations.series[1].values[5:9] == [0.2, None, None, 0.2]
    ratio = shown(sources, "0 * service:credit_operation_errors:ratio_rate5m")["rows"]
    assert isinstance(ratio, list)
    assert [label for label, _ in ratio] == [
        '{service="credit-risk"}', '{service="credit-proposals"}',
    ]  # fmt: skip


def test_a_wrong_expression_has_its_reason_and_none_has_examples(sources: Sources) -> None:
    wrong = shown(sources, "sum(")
    assert "refuses sum(" in str(wrong["found"])
    assert (wrong["rows"], wrong["count"]) == ([], 0)
    none = shown(sources, "")
    assert (none["found"], none["rows"]) == (None, [])


def test_bytes_and_storage_of_the_observers(sources: Sources) -> None:
    """Each stream that sent something, in kB a minute; series and megabytes of Prometheus itself."""
    client = replace(sources.prometheus)
    series, disk = _stored_by(client)
    assert (series.observer, series.value, series.unit) == (PROMETHEUS, 250.0, "")
    assert (disk.value, disk.unit, disk.why_not) == (5.5, "MB", "")

    def unknown() -> str | None:
        jobs = sorted(target.job for target in client.targets())
        return None if jobs == ["known", "new"] else f"it has {jobs}"

    await_state("Prometheus lists both jobs", unknown, within_s=150)
    scraped = {one.what: one for one in _scraped(client)}
    assert list(scraped) == [
        "job known: bytes scraped", "job new: bytes scraped", "job known: samples", "job new: samples",
    ]  # fmt: skip
    size, count = scraped["job known: bytes scraped"], scraped["job known: samples"]
    # Of both targets: 1,500 bytes a second are 90 kB a minute; 3 samples a second are 180 a minute.
    assert (size.value, count.value) == pytest.approx((90.0, 180.0))
    assert (size.unit, size.why_not) == ("kB/min", "")
    assert (count.unit, count.observer) == ("/min", PROMETHEUS)
    new = scraped["job new: samples"]
    assert (new.value, new.why_not) == (None, "Prometheus has no scrape_samples_scraped of it")
    [traces] = _sent(client, 600.0)
    assert (traces.observer, traces.what) == (DATADOG, "stream traces: bytes sent")
    # 500 bytes a second for a minute of ten, and what rate() adds at either end.
    assert traces.value
    assert 3.0 <= traces.value <= 0.5 * 60 * (60 + 11 + 11) / 600
    [nothing] = _sent(client, 1.0)
    assert (nothing.value, nothing.why_not) == (None, "the intake received no data in the window")
