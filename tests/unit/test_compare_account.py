"""`compare` with an account: its API answers what it can, the intake's copy the rest."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.compare.account import DatadogAccount
from lab.compare.intake import Datadog
from lab.compare.received import Metric
from lab.compare.run import run
from lab.compare.stages import Window
from lab.datadog.account import Account
from lab.datadog.api import Api
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import DatadogSettings, LabSettings
from lab.telemetry.store import Bounds, QueryMetrics, Record, Source, Writer
from tests import evidence
from tests.evidence import deltas
from tests.fix_datadog import DatadogAccount as OnLoopback
from tests.fix_postgres import free_port
from tests.fix_store import HOUR_NS, Tally

NS = 1_000_000_000
SCOPE = "host:credit-lab-postgres"
COUNT = f"sum:postgresql.queries.count{{{SCOPE},user:credit_app}} by {{query_signature}}.as_count()"
TIME = f"sum:postgresql.queries.time{{{SCOPE},user:credit_app}} by {{query_signature}}.as_count()"
DEAD = f"sum:postgresql.dead_rows{{{SCOPE},table:installments}}"
WINDOW_S = 600
NOW = clock.now_ns() // NS
WINDOW = Window(since_ns=(NOW - WINDOW_S) * NS, now_ns=NOW * NS)


def kept(settings: LabSettings, *records: Record) -> None:
    bounds = Bounds(age_ns=HOUR_NS, size_bytes=10**9)
    with Writer(Paths.of(settings).store, bounds, Tally()) as writer:
        writer.commit(records, timeout_s=60)


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    return LabSettings(_env_file=None, lab_state_dir=tmp_path)


@pytest.fixture
def side(settings: LabSettings, datadog: OnLoopback) -> Iterator[DatadogAccount]:
    kept(settings, delta("aa", 7), delta("ab", 7), delta("bb", 8), delta("cc", 9))
    account = Account.of(DatadogSettings.load())
    assert account.api_url == account.web_url == datadog.url
    with Api(account) as api:
        yield DatadogAccount(settings, WINDOW, WINDOW, account, api)


def test_a_statement_is_found_by_its_signature(side: DatadogAccount, datadog: OnLoopback) -> None:
    """Calls and milliseconds are summed over the window; a statement may have two signatures."""
    datadog.series[COUNT] = [
        (["query_signature:aa"], [(NOW - 700, 1000.0), (NOW - 30, 4.0), (NOW - 20, None)]),
        (["query_signature:ab"], [(NOW - 20, 6.0)]),
        (["query_signature:ee"], [(NOW - 20, 99.0)]),
    ]
    datadog.series[TIME] = [(["query_signature:aa"], [(NOW - 30, 5e7)])]
    calls, time = side.statement({7}, "calls"), side.statement({7}, "exec_time_ms")
    assert calls is not None
    assert time is not None
    assert (calls.value, time.value) == (10.0, 50.0)
    # Points are of Datadog's intervals, so there is no value at a moment of the check.
    assert calls.raw is None
    assert calls.newest_ns == (NOW - 10) * NS
    assert calls.where.endswith("/metric/explorer?exp_metric=postgresql.queries.count")
    assert "the API of datadoghq.com" in side.source
    assert side.trouble is None


def test_a_gauge_is_its_newest_value_and_a_rate_the_sum_of_the_window(
    side: DatadogAccount, datadog: OnLoopback
) -> None:
    points: list[tuple[float, float | None]] = [(NOW - 40, 3.0), (NOW - 20, 5.0)]
    inserted = f"sum:postgresql.rows_inserted{{{SCOPE},table:installments}}"
    deadlocks = f"sum:postgresql.deadlocks.count{{{SCOPE}}}.as_count()"
    datadog.series = {DEAD: [([], points)], inserted: [([], points)], deadlocks: [([], points)]}
    dead = side.gauge(Metric(name="postgresql.dead_rows", tags=("table:installments",)))
    assert dead is not None
    assert (dead[0].value, dead[0].age_s) == (5.0, 10.0)
    rows = side.counter(Metric(name="postgresql.rows_inserted", tags=("table:installments",)))
    # The check sends rows per second, as a gauge: a point stands for the seconds of its interval.
    assert rows is not None
    assert rows.value == 8.0 * 10
    count = side.counter(Metric(name="postgresql.deadlocks.count"))
    assert count is not None
    assert count.value == 8.0
    assert side.gauge(Metric(name="postgresql.connections")) is None


def test_operations_come_from_trace_metrics(side: DatadogAccount, datadog: OnLoopback) -> None:
    """Hits, errors (none when there is no series), a percentile; seconds as milliseconds."""
    name = "trace.credit.operation"
    scope = "service:credit-risk"
    datadog.series = {
        f"sum:{name}.hits{{{scope}}}.as_count()": [([], [(NOW - 40, 3.0), (NOW - 30, 4.0)])],
        f"p95:{name}{{{scope}}}": [([], [(NOW - 40, 0.2), (NOW - 30, 0.4)])],
        f"avg:{name}{{{scope}}}": [([], [(NOW - 40, 0.1)])],
    }
    hits, errors = side.operations("credit-risk"), side.operations("credit-risk", errors=True)
    assert hits is not None
    assert errors is not None
    assert (hits.value, errors.value) == (7.0, 0.0)
    slow = side.quantile_ms("credit-risk", 0.95)
    assert slow is not None
    assert slow.value == pytest.approx(300.0)
    assert side.mean_ms(["credit-risk"]) == pytest.approx(100.0)
    assert side.quantile_ms("credit-proposals", 0.95) is None


def test_plans_and_samples_come_from_the_dbm_endpoint(
    side: DatadogAccount, settings: LabSettings, datadog: OnLoopback
) -> None:
    """A statement's name is known from the copy: the account has its signature."""
    span = evidence.statement(1)
    named = replace(evidence.plan(span, executed=False, at_ns=(NOW - 9) * NS), signature="aa")
    kept(settings, named)
    datadog.samples = [
        event("aa", plan="p1", service="credit-risk"),
        event("aa", plan="p2"),
        event("bb", plan="p3", service="credit-customers"),
        event("cc"),
    ]
    assert side.plan_shapes("risk_distribution") == {"p1", "p2"}
    assert side.callers("risk_distribution") == {"credit-risk"}
    assert side.explained() == {"aa", "bb"}
    [(parameters, body)] = datadog.searches
    assert parameters == {"type": "databasequery"}
    assert body["list"]["search"] == {"query": SCOPE}
    assert body["list"]["indexes"] == ["databasequery"]
    assert body["list"]["time"] == {"from": 1000 * (NOW - WINDOW_S), "to": 1000 * NOW}


def test_a_scoped_application_key_is_reported_with_what_is_needed(
    side: DatadogAccount, datadog: OnLoopback
) -> None:
    path = "/api/v1/logs-analytics/list"
    datadog.instead["POST", path] = [(403, {"errors": ["Forbidden"]}, {})]
    assert side.explained() == set()
    assert side.trouble
    assert "no scopes" in side.trouble
    assert "DBM" in side.trouble


def test_a_refusal_is_reported_once_and_ends_the_queries(
    side: DatadogAccount, datadog: OnLoopback
) -> None:
    path = "/api/v1/query"
    datadog.instead["GET", path] = [(403, {"errors": ["Forbidden"]}, {})]
    assert side.statement({7}, "calls") is None
    assert side.trouble
    assert "timeseries_query" in side.trouble
    assert side.gauge(Metric(name="postgresql.connections")) is None
    assert datadog.requests == [("GET", path)]


def test_a_query_that_is_not_understood_is_a_refusal_too(
    side: DatadogAccount, datadog: OnLoopback
) -> None:
    """Datadog answers it with 200."""
    said = {"status": "error", "error": "Rule 'x' could not be parsed", "series": []}
    datadog.instead["GET", "/api/v1/query"] = [(200, said, {})]
    assert side.statement({7}, "calls") is None
    assert "could not be parsed" in (side.trouble or "")


def test_a_comparison_with_both_keys_asks_the_account(
    settings: LabSettings, datadog: OnLoopback
) -> None:
    """Every question, when the copy has data of an Agent; else, or without keys, the account is not asked."""
    away = {"postgres_port": free_port(), "prometheus_port": free_port()}
    settings = settings.model_copy(update=away)
    now = delta("aa", 7, at_ns=clock.now_ns() - NS)
    kept(settings, replace(now, source=Source.EMBEDDED))
    keys = DatadogSettings.load()
    assert run(settings, since_s=60, keys=keys).datadog.startswith("the intake: embedded agent")
    kept(settings, now)
    assert run(settings, since_s=60).datadog == "the intake: what the Datadog Agent sent"
    assert datadog.requests == []
    datadog.samples = [event("aa", plan="p1")]
    committed = f"sum:postgresql.commits{{{SCOPE},db:creditdb}}"
    datadog.series = {committed: [([], [(clock.now_ns() // NS - 5, 5.0)])]}
    found = run(settings, since_s=60, keys=keys)
    assert found.datadog.startswith("the API of datadoghq.com")
    answers = {row.question: row.datadog for row in found.rows}
    assert answers["statements with a plan"].value == 1.0
    assert answers["transactions committed"].value == 50.0
    assert {path for _, path in datadog.requests} == {
        "/api/v1/query",
        "/api/v1/logs-analytics/list",
    }


@pytest.mark.parametrize(
    ("sources", "embedded"),
    [([Source.EMBEDDED], True), ([Source.EMBEDDED, Source.AGENT], False), ([], False)],
)
def test_whose_data_these_are(
    settings: LabSettings, sources: list[Source], *, embedded: bool
) -> None:
    """The account is queried unless only the embedded agent collects, which sends nothing there."""
    kept(settings, *(replace(delta("aa", 7), source=source) for source in sources))
    assert Datadog(settings, WINDOW).is_embedded is embedded


def delta(signature: str, queryid: int, at_ns: int = (NOW - 1) * NS) -> QueryMetrics:
    return deltas(queryid, at_ns=at_ns, source=Source.AGENT, signature=signature)


def event(signature: str, plan: str | None = None, service: str | None = None) -> dict[str, Any]:
    """A sample as the endpoint returns it."""
    db = {"query_signature": signature, "statement": "SELECT ?", "plan": {"signature": plan}}
    return {"event": {"tags": ["env:lab"], "custom": {"db": db, "service": service}}}
