"""`compare` with an account: its API answers what it can, the intake's copy the rest."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.compare.account import DatadogAccount
from lab.compare.answers import Answer
from lab.compare.intake import Datadog, Metric, Work
from lab.datadog.account import Account
from lab.datadog.api import Api
from lab.foundation.paths import Paths
from lab.foundation.settings import DatadogSettings, LabSettings
from lab.telemetry.store import Bounds, QueryMetrics, Source, Writer
from tests.evidence import deltas
from tests.fix_datadog import DatadogAccount as OnLoopback
from tests.fix_store import HOUR_NS, Tally

SCOPE = "host:credit-lab-postgres"
COUNT = f"sum:postgresql.queries.count{{{SCOPE},user:credit_app}} by {{query_signature}}.as_count()"
TIME = f"sum:postgresql.queries.time{{{SCOPE},user:credit_app}} by {{query_signature}}.as_count()"
DEAD = f"sum:postgresql.dead_rows{{{SCOPE},table:installments}}"
WINDOW_S = 60.0
NAMES = {7: "pay_installment", 8: "customer_by_cpf"}


def kept(settings: LabSettings, *records: QueryMetrics) -> None:
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
    assert account.api_url == datadog.url
    with Api(account) as api:
        yield DatadogAccount(settings, WINDOW_S, account, api)


def test_a_statement_is_found_by_its_signature(side: DatadogAccount, datadog: OnLoopback) -> None:
    """Calls and nanoseconds are summed over the window; a name may have two signatures, or none yet."""
    now = int(time.time())
    datadog.series[COUNT] = [
        (["query_signature:aa"], [(now - 600, 1000.0), (now - 30, 4.0), (now - 20, None)]),
        (["query_signature:ab"], [(now - 20, 6.0)]),
        (["query_signature:ee"], [(now - 20, 99.0)]),
    ]
    datadog.series[TIME] = [(["query_signature:aa"], [(now - 30, 5e7)])]
    assert side.work(NAMES) == {"pay_installment": Work(calls=10.0, seconds=0.05)}
    answer = side.work_answer(10.0)
    assert answer.age_s == pytest.approx(10, abs=3)
    assert answer.where.endswith("/metric/explorer?exp_metric=postgresql.queries.count")
    assert "the API of datadoghq.com" in side.source
    assert side.trouble is None


def test_a_gauge_is_its_latest_value_and_a_rate_the_sum_of_the_window(
    side: DatadogAccount, datadog: OnLoopback
) -> None:
    now = int(time.time())
    points: list[tuple[float, float | None]] = [(now - 40, 3.0), (now - 20, 5.0)]
    inserted = f"sum:postgresql.rows_inserted{{{SCOPE},table:installments}}"
    datadog.series = {DEAD: [([], points)], inserted: [([], points)]}
    dead = Metric(name="postgresql.dead_rows", tag="table:installments")
    assert side.metric(dead).value == 5.0
    rows = Metric(name="postgresql.rows_inserted", tag="table:installments", total=True)
    # The check sends rows per second, as a gauge: a point stands for the seconds of its interval.
    assert side.metric(rows).value == 8.0 * 10
    missing = side.metric(Metric(name="postgresql.connections"))
    assert missing == Answer(why_not="no series postgresql.connections in the account")


def test_a_refusal_is_reported_once_and_ends_the_queries(
    side: DatadogAccount, datadog: OnLoopback
) -> None:
    path = "/api/v1/query"
    datadog.instead["GET", path] = [(403, {"errors": ["Forbidden"]}, {})]
    assert side.work(NAMES) == {}
    assert side.trouble
    assert "timeseries_query" in side.trouble
    assert side.metric(Metric(name="postgresql.connections")).why_not == side.trouble
    assert datadog.requests == [("GET", path)]


def test_a_query_that_is_not_understood_is_a_refusal_too(
    side: DatadogAccount, datadog: OnLoopback
) -> None:
    """Datadog answers it with 200."""
    said = {"status": "error", "error": "Rule 'x' could not be parsed", "series": []}
    datadog.instead["GET", "/api/v1/query"] = [(200, said, {})]
    assert side.work(NAMES) == {}
    assert "could not be parsed" in (side.trouble or "")


@pytest.mark.parametrize(
    ("sources", "embedded"),
    [([Source.EMBEDDED], True), ([Source.EMBEDDED, Source.AGENT], False), ([], False)],
)
def test_whose_data_these_are(
    settings: LabSettings, sources: list[Source], *, embedded: bool
) -> None:
    """The account is queried unless only the embedded agent collects, which sends nothing there."""
    kept(settings, *(delta("aa", 7, source=source) for source in sources))
    assert Datadog(settings, WINDOW_S).is_embedded is embedded


def delta(signature: str, queryid: int, source: Source = Source.AGENT) -> QueryMetrics:
    at_ns = time.time_ns() - 10**9
    return deltas(queryid, at_ns=at_ns, source=source, signature=signature)
