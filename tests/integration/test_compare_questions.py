"""Every question of a comparison, answered by three sides that know one minute: tests/compared.py."""

from collections.abc import Iterator
from dataclasses import astuple

import pytest

from lab.compare.answers import Answer, Compared
from lab.compare.questions.case import NO_SERIES, NO_TRUTH
from lab.stack.native.cluster import Cluster
from tests.compared import answered
from tests.evidence import START
from tests.fix_postgres import new_database

S = 1_000_000_000
NO_DATA = "the Datadog side received no data of it in the window"
NO_SPAN = "no span of an operation in the window"
NO_PLAN = "no plan is in any series"
# A bucket of the clocks is exact to one per cent.
SECOND = pytest.approx(1000.0, rel=0.011)
Sides = tuple[object, object, object]
# The truth, Prometheus' answer, Datadog's answer.
NUMBERS: dict[str, Sides] = {
    "operations of credit-proposals": (120.0, 150.0, 1.0),
    "operations of credit-risk": (600.0, 750.0, 2.0),
    "failed operations, all services": (900.0, 450.0, None),
    "mean duration of an operation": (2000.0, 250.0, 200.0),
    "95th percentile of credit-proposals": (None, None, 300.0),
    "95th percentile of credit-risk": (SECOND, 750.0, 200.0),
    "statements of all services": (720.0, 1800.0, 3.0),
    "mean connection checkout wait": (2000.0, 250.0, None),
    "99th percentile of the start delay": (None, 950.0, None),
    "age of the newest point: load": (0.0, 5.0, 5.0),
    "calls of risk_distribution": (420.0, 120.0, 2.0),
    "server time of risk_distribution": (840.0, 240.0, 4.0),
    "mean server time of risk_distribution": (2.0, 2.0, 2.0),
    "rows of risk_distribution": (1260.0, 360.0, 20.0),
    "calls of fifth": (180.0, 600.0, 10.0),
    "server time of fifth": (360.0, 1200.0, 4.0),
    "mean server time of fifth": (2.0, 2.0, 0.4),
    "rows of fifth": (540.0, 1800.0, 20.0),
    "mean caller's time of risk_distribution": (2000.0, 250.0, 20.0),
    "95th percentile of risk_distribution, caller's time": (SECOND, 750.0, 30.0),
    "mean caller's time of third": (None, None, None),
    "blocks found in cache by risk_distribution": (1680.0, 480.0, 60.0),
    "slowest execution, caller's time": (SECOND, None, 30.0),
    "age of the newest point: statements": (0.0, 5.0, 20.0),
    "connections of the services": (12.0, 8.0, 2.0),
    "connections in use, of max_connections": (20.0, 25.0, 200.0),
    "active sessions, mean": (0.008, 6.0, 1.0),
    "most sessions idle in transaction in the window": (2.0, 2.0, 2.0),
    "most sessions that wait for a lock in the window": (3.0, 4.0, 3.0),
    "longest transaction in the window": (60.0, 50.0, 9.0),
    "mean age of idle sessions": (7.0, 7.5, None),
    "connection limit of the role credit_app": (60.0, 80.0, None),
    "age of the newest point: sessions": (0.0, 5.0, 10.0),
    "statements with a plan": (6.0, None, 1.0),
    "traces that the stack links to": (1800.0, None, 3.0),
    "rows inserted into installments": (60.0, 90.0, 120.0),
    "rows updated in installments": (120.0, 90.0, 120.0),
    "rows read by sequential scans of installments": (480.0, 90.0, 120.0),
    "dead tuples of installments": (1300.0, 250.0, 2.0),
    "live tuples of installments": (1240.0, 260.0, 2.0),
    "cache hits in blocks requested of installments": (600 / 13, 75.0, 50.0),
    "cache hits in blocks requested of credit_proposals": (600 / 13, 75.0, None),
    "size of installments with its indexes": (700.0, 690.0, 2.0),
    "runs of autovacuum, all tables": (2160.0, 360.0, 8.0),
    "rows deleted from audit_log": (180.0, 90.0, None),
    "transactions committed": (60.0, 150.0, 120.0),
    "transactions rolled back": (120.0, 150.0, 120.0),
    "deadlocks": (180.0, 150.0, 8.0),
    "bytes of temporary files": (240.0, 150.0, 120.0),
    "time to read blocks": (540.0, 150.0, 8.0),
    "time to write blocks": (600.0, 150.0, 8.0),
    "WAL": (180.0, 30.0, 8.0),
    "checkpoints, timed": (60.0, 30.0, 8.0),
    "checkpoints, requested": (120.0, 30.0, 8.0),
    "size of the database": (9000.0, 8000.0, 2.0),
    "transactions left before wraparound": (2e9, 2e9, 2.0),
    "rows of installments modified since ANALYZE": (1600.0, 270.0, None),
    "work_mem": (8.0, 4.0, 8.0),
    "columns of the tables": (104.0, None, 5.0),
    "age of the newest point: server": (0.0, 5.0, 3.0),
    "retention of metrics": (None, 2.0, 456.0),
    "statements of the role postgres_exporter": (60.0, 300.0, 70.0),
    "execution time of the role datadog": (120.0, 360.0, 80.0),
    "statements of the role lab": (60.0, 300.0, None),
}
TEXTS: dict[str, Sides] = {
    "services that run risk_distribution": (
        "credit-proposals, credit-risk, credit-servicing, credit-underwriting",
        "credit-customers, credit-proposals, credit-risk, credit-servicing, credit-underwriting",
        "credit-customers, credit-proposals, credit-risk",
    ),
    "most frequent wait event of active sessions": (None, "tuple", "tuple"),
    "which session blocks which, now": ("0 sessions waiting", None, "1 by 7 8"),
    "statement of the oldest open transaction": ("none", None, "risk_distribution"),
    "plans of risk_distribution": ("1 executed", None, "2 estimated"),
    "plans of second": (None, None, "0 estimated"),
}


@pytest.fixture(scope="module")
def compared(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Compared]]:
    """Each question with its answers."""
    with new_database(cluster) as database:
        yield answered(database, tmp_path_factory.mktemp("compare"))


def test_every_question_has_the_answer_that_each_side_can_give(
    compared: dict[str, Compared],
) -> None:
    """Growth in the window, means, percentiles, newest and highest values, by hand from the rates."""
    for question, expected in {**NUMBERS, **TEXTS}.items():
        row = compared[question]
        found = (row.truth.value, row.prometheus.value, row.datadog.value)
        assert [same(value) for value in expected] == list(found), question


def same(value: object) -> object:
    """A number is the same but for the last digits of a sum."""
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


def test_the_statements_with_most_server_time_are_asked_about(
    compared: dict[str, Compared],
) -> None:
    """Five, three of them for their callers, two for their plans; in the order of their time."""

    def asked(start: str, end: str = "") -> list[str]:
        named = [q for q in compared if q.startswith(start) and q.endswith(end)]
        return [q.removeprefix(start).removesuffix(end).strip() for q in named]

    five = ["risk_distribution", "second", "third", "fourth", "fifth"]
    assert asked("calls of ") == asked("server time of ") == asked("mean server time of ") == five
    assert asked("mean caller's time of ") == five[:3]
    assert asked("95th percentile of ", ", caller's time") == five[:3]
    assert asked("plans of ") == five[:2]
    assert asked("blocks found in cache by ") == asked("services that run ") == five[:1]


def test_an_answer_that_is_missing_has_its_reason(compared: dict[str, Compared]) -> None:
    """Which side lacks what: a reading, a series, data, a span."""
    rows = compared
    assert rows["size of credit_proposals with its indexes"].truth.why_not == NO_TRUTH
    assert rows["95th percentile of credit-proposals"].truth.why_not == NO_TRUTH
    assert rows["dead tuples of credit_proposals"].prometheus.why_not == NO_SERIES
    assert rows["mean caller's time of third"].prometheus.why_not == NO_SERIES
    assert rows["95th percentile of credit-proposals"].prometheus.why_not == "no such series"
    assert rows["traces that the stack links to"].prometheus.why_not == "no exemplars are stored"
    assert rows["plans of second"].prometheus.why_not == NO_PLAN
    assert rows["plans of second"].truth.why_not.startswith("no execution was slow enough")
    assert rows["operations of credit-customers"].datadog.why_not == NO_DATA
    assert rows["statements of the role lab"].datadog.why_not == NO_DATA
    assert rows["95th percentile of credit-customers"].datadog.why_not == NO_SPAN
    assert rows["mean caller's time of third"].datadog.why_not == "no span of it in the window"
    sent = "no Agent sent postgresql.{} in the window"
    for question, metric in (
        ("rows deleted from audit_log", "rows_deleted"),
        ("live tuples of credit_proposals", "live_rows"),
        ("cache hits in blocks requested of credit_proposals", "heap_blocks_hit"),
    ):
        assert rows[question].datadog.why_not == sent.format(metric)
    for row in rows.values():
        for answer in (row.truth, row.prometheus, row.datadog):
            assert (answer.value is None) is bool(answer.why_not), row.question


def test_an_answer_has_its_age_and_resolution(compared: dict[str, Compared]) -> None:
    """Readings each second, scrapes each 10 s, points of the check each 15 s, deltas each 30 s."""
    for question, datadog in (
        ("operations of credit-risk", (20.0, None)),
        ("mean duration of an operation", (5.0, None)),
        ("rows of risk_distribution", (20.0, 30.0)),
        ("dead tuples of installments", (3.0, 15.0)),
        ("transactions committed", (3.0, 15.0)),
    ):
        row = compared[question]
        assert (row.truth.age_s, row.truth.resolution_s) == (0.0, 1.0), question
        assert (row.prometheus.age_s, row.prometheus.resolution_s) == (5.0, 10.0), question
        assert (row.datadog.age_s, row.datadog.resolution_s) == datadog, question
    for question, datadog in (
        ("work_mem", (60.0, 600.0)),
        ("columns of the tables", (59.0, 600.0)),
    ):
        row = compared[question]
        assert (row.truth.age_s, row.truth.resolution_s) == (0.0, None)
        assert (row.datadog.age_s, row.datadog.resolution_s) == datadog


def test_the_parts_of_an_error_are_those_of_the_rates(compared: dict[str, Compared]) -> None:
    """10 a second in truth and 12.5 by Prometheus, which sampled 5 s after the begin and before the end.

    A scrape may take a second. Of an expression, a histogram and samples the whole error is resolution.
    """
    operations = compared["operations of credit-risk"].prometheus
    assert parts(operations) == pytest.approx([105.0, 125.0, -34.975, -45.025, 40.0])
    active = compared["active sessions, mean"]
    assert parts(active.prometheus) == pytest.approx([0, 0, 5.992, 0, 0])
    assert parts(active.datadog) == pytest.approx([0, 0, 0.992, 0, 0])
    histogram = compared["95th percentile of credit-risk"].prometheus
    assert parts(histogram) == pytest.approx([0, 0, -250.0, 0, 0], rel=0.05)
    assert compared["mean caller's time of risk_distribution"].datadog.parts is None


def parts(answer: Answer) -> list[float]:
    """Observer, extrapolation, resolution, delay, within."""
    assert answer.parts
    return [*astuple(answer.parts)]


def test_charts_have_growth_per_second_of_each_side(compared: dict[str, Compared]) -> None:
    """The readings' over ten seconds each; of a gauge each fifth reading; of a ratio none."""
    operations = compared["operations of credit-risk"]
    for answer, begin, value in ((operations.truth, 10, 10.0), (operations.prometheus, 15, 12.5)):
        at_s = [(at - START) / S for at, _ in answer.points]
        assert at_s == list(range(begin, 61, 10))
        assert [found for _, found in answer.points] == pytest.approx([value] * len(at_s))
    calls = compared["calls of risk_distribution"].datadog
    assert calls.points == ((START + 10 * S, 1 / 30), (START + 40 * S, 1 / 30))
    dead = compared["dead tuples of installments"]
    assert [at for at, _ in dead.truth.points] == [START + at * S for at in range(0, 61, 5)]
    assert [value for _, value in dead.truth.points] == [1000.0 + 25 * n for n in range(13)]
    assert compared["live tuples of installments"].truth.points == ()
    assert compared["mean server time of risk_distribution"].truth.points == ()
