"""The console's own metrics: what the intake, the store and the log reader report, as Prometheus reads it."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from lab.console import metrics as module
from lab.console.metrics import MAX_FORMS, STORE_FAILURES, ConsoleMetrics
from lab.console.rates import WINDOW_S, Rate
from lab.foundation.timestamps import NS_PER_S
from tests import evidence as of


class Registered:
    """The metrics and their values."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = ConsoleMetrics(self.registry)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Registered:
    """With the rates' clock at a standstill: what came is a second's, however slow this machine is."""
    monkeypatch.setattr("lab.console.rates.monotonic", lambda: 1_000.0)
    return Registered()


def test_the_intakes_requests_are_counted_by_stream(registered: Registered) -> None:
    """Rates for `status` are of spans and of DBM's events, and of nothing else."""
    metrics = registered.metrics
    metrics.accepted("traces_v05", 7, 900)
    metrics.accepted("dbm_metrics", 3, 100)
    metrics.accepted("series", 5, 50)
    metrics.rejected("traces_v05", "too_large")
    metrics.unknown()
    assert registered.value("lab_intake_requests_total", stream="traces_v05") == 1
    assert registered.value("lab_intake_items_total", stream="traces_v05") == 7
    assert registered.value("lab_intake_bytes_total", stream="dbm_metrics") == 100
    assert (
        registered.value("lab_intake_rejected_total", stream="traces_v05", reason="too_large") == 1
    )
    assert registered.value("lab_intake_unknown_total") == 1
    assert (metrics.spans.per_second(), metrics.dbm_events.per_second()) == (7, 3)
    assert metrics.log_lines.per_second() == 0


def test_the_names_of_a_few_unread_forms_are_kept(registered: Registered) -> None:
    for number in range(MAX_FORMS + 2):
        registered.metrics.unread(f"form {number}")
    assert registered.metrics.unread_forms == {f"form {number}" for number in range(MAX_FORMS)}


@pytest.mark.parametrize("reason", STORE_FAILURES)
def test_a_store_that_loses_records_is_in_trouble_until_it_writes_again(
    registered: Registered, reason: str
) -> None:
    """A full queue is no trouble of the store's; a commit of nothing ends none."""
    metrics = registered.metrics
    metrics.lost("queue_full", 2)
    assert metrics.store_trouble is None
    metrics.lost(reason, 3)
    assert metrics.store_trouble == STORE_FAILURES[reason]
    metrics.written("spans", 0)
    assert metrics.store_trouble == STORE_FAILURES[reason]
    metrics.written("spans", 4)
    assert metrics.store_trouble is None
    assert registered.value("lab_store_lost_records_total", reason=reason) == 3
    assert registered.value("lab_store_records_total", table="spans") == 4


def test_the_stores_size_and_what_it_refused_and_deleted(registered: Registered) -> None:
    metrics = registered.metrics
    metrics.refused("spans", "future", 2)
    metrics.refused("plans", "future", 1)
    metrics.expired(9)
    metrics.size(1_000, 5)
    assert metrics.refused_records == {"future": 3}
    assert registered.value("lab_store_refused_records_total", table="plans", reason="future") == 1
    assert registered.value("lab_store_expired_records_total") == 9
    assert (metrics.used_bytes, registered.value("lab_store_bytes")) == (1_000, 1_000)
    assert registered.value("lab_store_pending_records") == 5


def test_the_log_is_followed_while_there_is_no_trouble(registered: Registered) -> None:
    metrics = registered.metrics
    metrics.lines(6)
    metrics.unreadable("json")
    metrics.behind(77)
    assert registered.value("lab_log_lines_total") == metrics.log_lines.per_second() == 6
    assert registered.value("lab_log_unreadable_lines_total", what="json") == 1
    assert registered.value("lab_log_unread_bytes") == 77
    for trouble, followed in ((None, 1), ("no such directory", 0)):
        metrics.trouble(trouble)
        assert (metrics.log_trouble, registered.value("lab_log_followed")) == (trouble, followed)


def test_statements_are_counted_as_dbm_received_them(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By queryid, or by signature where there is none; beyond the limit all new ones are one."""
    monkeypatch.setattr(module, "MAX_STATEMENTS", 2)
    first = of.deltas(5, calls=10, exec_time_ms=2_500.0, rows=30)
    unnamed = replace(of.deltas(5, calls=1), queryid=None, signature="s")
    third = of.deltas(6, calls=4)
    registered.metrics.offered([first, first, unnamed, third, of.root(1)])
    labels = {"role": first.role, "source": first.source.value}
    assert registered.value("lab_dbm_statement_calls_total", queryid="5", **labels) == 20
    assert registered.value("lab_dbm_statement_seconds_total", queryid="5", **labels) == 5.0
    assert registered.value("lab_dbm_statement_rows_total", queryid="5", **labels) == 60
    assert registered.value("lab_dbm_statement_calls_total", queryid="s", **labels) == 1
    other = {"queryid": "other", "role": "other", "source": first.source.value}
    assert registered.value("lab_dbm_statement_calls_total", **other) == 4


def test_a_rate_is_the_mean_of_the_last_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first second it is the count; later what was before a minute ago is not in it."""
    now = [1_000.25]
    monkeypatch.setattr("lab.console.rates.monotonic", lambda: now[0])
    rate = Rate()
    rate.add(2)
    rate.add(4)
    assert rate.per_second() == 6
    now[0] += 10
    rate.add(14)
    assert rate.per_second() == 2.0
    now[0] = 1_059.9
    assert rate.per_second() == pytest.approx(20 / 59.65)
    now[0] = 1_060.25
    assert rate.per_second() == pytest.approx(14 / WINDOW_S)
    now[0] += 3_600
    assert rate.per_second() == 0


def test_the_newest_data_of_each_observer_have_a_time(registered: Registered) -> None:
    """Of a span its end; older data that arrive later do not set it back."""
    name = "lab_observer_newest_timestamp_seconds"
    span = of.root(1, start_ns=5 * NS_PER_S, duration_ns=NS_PER_S)
    delta = replace(of.deltas(7), at_ns=9 * NS_PER_S)
    registered.metrics.offered([span, delta, replace(delta, at_ns=4 * NS_PER_S)])
    registered.metrics.offered([replace(delta, at_ns=8 * NS_PER_S)])
    registered.metrics.read_until(7 * NS_PER_S)
    assert registered.value(name, observer="datadog_apm") == 6
    assert registered.value(name, observer="datadog_dbm") == 9
    assert registered.value(name, observer="postgres_log") == 7
    assert registered.value(name, observer="datadog_metrics") is None
