"""What the Datadog side of a comparison counts: rows of the window, by service, role and statement."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.compare.intake import Datadog
from lab.compare.received import Metric
from lab.compare.stages import Window
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.telemetry.intake.agent_metrics import series
from lab.telemetry.store import (
    Bounds,
    MetricType,
    Plan,
    Record,
    Snapshot,
    Source,
    TraceStats,
    Writer,
)
from tests import evidence
from tests.evidence import REPORT, START
from tests.fix_store import HOUR_NS, Tally

S = 1_000_000_000
MS = 1_000_000
OTHER = "SELECT detail FROM audit_log WHERE operation_id = ?"
WINDOW = Window(since_ns=START, now_ns=START + 60 * S)
Sided = Callable[..., Datadog]


@pytest.fixture
def side(tmp_path: Path) -> Sided:
    """Stores records and returns the side that reads them."""

    def stored(*records: Record) -> Datadog:
        settings = LabSettings(_env_file=None, lab_state_dir=tmp_path)
        path = Paths.of(settings).store
        with Writer(path, Bounds(age_ns=HOUR_NS, size_bytes=10**9), Tally()) as writer:
            writer.commit(list(records), timeout_s=60)
        return Datadog(settings, WINDOW)

    return stored


def operation(number: int, *, end_s: float, ms: float = 400, **fields: object) -> Record:
    end_ns = START + round(end_s * S)
    return evidence.root(number, ms=ms, start_ns=end_ns - round(ms * MS), **fields)


def test_operations_that_ended_in_the_window_are_counted(side: Sided) -> None:
    """The one that ended at its begin is not; the one that ended at its end is."""
    found = side(
        operation(1, end_s=0),
        operation(2, end_s=0.3),
        operation(3, end_s=60, error=True),
        operation(4, end_s=60.001),
        operation(5, end_s=5, service="credit-customers", ms=1000),
        evidence.root(6, start_ns=START + S, name="other.operation"),
        evidence.root(7, start_ns=START + S, parent_id=evidence.span_id(9)),
        # Began more than a minute before the window: not read.
        operation(8, end_s=1, ms=61_500),
    )
    everything, errors = (
        found.operations("credit-risk"),
        found.operations("credit-risk", errors=True),
    )
    assert everything is not None
    assert errors is not None
    assert (everything.value, everything.raw, errors.value) == (2.0, 2.0, 1.0)
    assert everything.newest_ns == errors.newest_ns == START + 60 * S
    assert (everything.first.early_ns, everything.first.late_ns) == (START - S // 5, START + S // 5)
    assert everything.last.early_ns == START + 60 * S - S // 5
    assert everything.last.late_ns == START + 60 * S + S // 5
    assert everything.points == ((START + 10 * S, 0.1), (START + 70 * S, 0.1))
    assert everything.where == "spans"
    assert everything.resolution_s is None
    assert found.spans.durations("credit-risk") == [400 * MS, 400 * MS]
    assert found.mean_ms(["credit-risk", "credit-customers"]) == pytest.approx(600)
    assert found.mean_ms(["credit-fraud"]) is None
    assert found.linked_traces() == 3.0
    assert found.operations("credit-fraud") is None


def test_statistics_of_an_agent_come_before_spans(side: Sided) -> None:
    """Those of the operation, the service and the window: its traces may have been sampled away."""

    def stats(at_s: float, **fields: object) -> Record:
        known: dict[str, object] = {
            "at_ns": START + round(at_s * S), "interval_ns": 10 * S, "service": "credit-risk",
            "name": "credit.operation", "hits": 5, "errors": 2, "duration_ns": S,
        }  # fmt: skip
        return TraceStats(**{**known, **fields})  # type: ignore[arg-type]

    found = side(
        stats(0), stats(60), stats(-10, hits=100), stats(70, hits=100),
        stats(20, name="postgres.query", hits=100), stats(20, service="other", hits=100),
        operation(1, end_s=5),
    )  # fmt: skip
    everything, errors = (
        found.operations("credit-risk"),
        found.operations("credit-risk", errors=True),
    )
    assert everything is not None
    assert errors is not None
    assert (everything.value, errors.value) == (10.0, 4.0)
    assert everything.resolution_s == 10
    assert everything.newest_ns == START + 70 * S
    assert everything.points == ((START, 5.0), (START + 60 * S, 5.0))


def test_statements_of_the_window(side: Sided) -> None:
    """By their callers' spans, and by the comment in their text."""
    found = side(
        operation(1, end_s=10),
        operation(2, end_s=20, service="credit-customers"),
        evidence.statement(1, start_ns=START + 9 * S, duration_ns=7 * MS, resource=REPORT),
        evidence.statement(2, start_ns=START + 9 * S, duration_ns=5 * MS, resource=REPORT),
        evidence.statement(1, 3, start_ns=START + 9 * S, duration_ns=50 * MS, resource=OTHER),
        # After the window, and before it.
        evidence.statement(1, 4, start_ns=START + 60 * S, duration_ns=2 * S, resource=REPORT),
        evidence.statement(1, 5, start_ns=START - S, duration_ns=S, resource=REPORT),
        # No statement.
        evidence.root(
            1, span_id=evidence.span_id(6), kind="web", start_ns=START + S, resource=REPORT
        ),
    )
    assert found.statement_durations("risk_distribution") == [5 * MS, 7 * MS]
    assert found.statement_durations("none") == []
    assert found.callers("risk_distribution") == {"credit-risk", "credit-customers"}
    assert found.callers("find_operation") == {"credit-risk"}
    counted = found.statements()
    assert counted is not None
    assert (counted.value, counted.newest_ns) == (3.0, START + 20 * S)
    assert found.slowest() == pytest.approx(2000)


def test_without_operations_statements_are_not_counted(side: Sided) -> None:
    assert side(evidence.statement(1, start_ns=START + S)).statements() is None


def test_quantiles_are_taken_from_durations_in_ascending_order(side: Sided) -> None:
    found = side(*(operation(n, end_s=29.74, ms=n * 10) for n in (3, 1, 2, 4)))
    for q, ms in ((0.0, 10), (0.5, 30), (0.99, 40), (1.0, 40)):
        answer = found.quantile_ms("credit-risk", q)
        assert answer is not None
        assert answer.value == pytest.approx(ms)
        assert answer.age_s == 30.3
    assert found.quantile_ms("credit-fraud", 0.5) is None


def test_deltas_of_the_window_begin_with_the_round_before_it(side: Sided) -> None:
    """The one at its begin counts before it; those of another role, or statement, are not added."""
    found = side(
        *(
            evidence.deltas(1, after_s=at, calls=n)
            for at, n in ((-70, 99), (0, 7), (20, 2), (40, 3))
        ),
        evidence.deltas(1, after_s=60, calls=4),
        evidence.deltas(1, after_s=61, calls=99),
        evidence.deltas(2, after_s=20, calls=50),
        evidence.deltas(1, after_s=20, calls=60, role="credit_report"),
        evidence.deltas(1, after_s=30, calls=70, source=Source.LAB),
    )
    calls = found.statement({1}, "calls")
    assert calls is not None
    assert (calls.value, calls.raw) == (9.0, 9.0)
    assert (calls.first.early_ns, calls.first.late_ns) == (START - 3 * S // 2, START)
    assert calls.last.early_ns == START + 60 * S - 3 * S // 2
    assert calls.last.late_ns == calls.newest_ns == START + 60 * S
    assert calls.resolution_s == 20
    assert calls.points == ((START + 20 * S, 0.1), (START + 40 * S, 0.15), (START + 60 * S, 0.2))
    both = found.role("credit_app", "calls")
    assert both is not None
    assert both.value == 59.0
    assert found.oldest_ns == START
    assert found.statement({3}, "calls") is None
    assert found.is_embedded
    assert found.source.startswith("the intake: ")


def test_one_round_in_the_window_began_an_interval_before(side: Sided) -> None:
    """The interval is ten seconds as long as no second round shows another."""
    calls = side(evidence.deltas(1, after_s=30, calls=5)).statement({1}, "calls")
    assert calls is not None
    assert calls.first.late_ns == START + 20 * S
    assert calls.resolution_s == 10
    assert calls.points == ((START + 30 * S, 0.5),)


def test_an_agent_is_named_where_one_sent(side: Sided) -> None:
    found = side(evidence.deltas(1, source=Source.AGENT))
    assert found.source == "the intake: what the Datadog Agent sent"
    assert not found.is_embedded


def test_nothing_was_sent(side: Sided) -> None:
    found = side()
    assert found.source == "the intake: no data"
    assert not found.is_embedded
    assert (found.oldest_ns, found.tables(), found.snapshot("pg_settings")) == (None, [], None)
    assert (found.last_samples, found.slowest(), found.linked_traces()) == ([], None, 0.0)
    answer = found.sampled(3)
    assert (answer.value, answer.age_s, answer.resolution_s) == (3, None, None)


def test_the_newest_samples(side: Sided) -> None:
    at = [START + n * S for n in (10, 20, 30, 30)]
    found = side(*(evidence.sample(None, at_ns=ns, pid=n) for n, ns in enumerate(at)))
    assert [one.pid for one in found.last_samples] == [2, 3]


def test_the_tables_are_those_of_the_last_round_of_one_host(side: Sided) -> None:
    """The round lasts five minutes; the oldest that counts is later than that before the newest."""

    def table(number: int, ago_s: int, host: str = "here", kind: str = "table") -> Record:
        at_ns = START + 59 * S - ago_s * S
        return Snapshot(kind=f"{kind} {number}", host=host, at_ns=at_ns, payload="{}")

    found = side(
        table(1, 0), table(2, 299), table(3, 300), table(4, 5, host="another"),
        table(5, 1, kind="view"),
    )  # fmt: skip
    assert [one.kind for one in found.tables()] == ["table 1", "table 2"]
    newest = found.snapshot("table 2")
    assert newest is not None
    assert newest.at_ns == START - 240 * S


def test_plans_by_statement(side: Sided) -> None:
    """Estimated ones that an Agent sent, and executed ones of the log, are different questions."""
    span = evidence.statement(1, start_ns=START + S)

    def plan(at_s: float, table: str, *, executed: bool) -> Plan:
        at_ns = START + round(at_s * S)
        return evidence.plan(span, ms=5.0, table=table, executed=executed, at_ns=at_ns)

    found = side(
        plan(1, "estimated", executed=False), plan(0, "first", executed=True),
        plan(60, "last", executed=True), plan(-1, "before", executed=True),
        plan(61, "after", executed=True),
    )  # fmt: skip
    assert found.plan_shapes("risk_distribution") == {"estimated"}
    assert found.executed_shapes("risk_distribution") == {"first", "last"}
    assert found.executed_shapes("other") == set()
    assert found.explained() == {"risk_distribution"}
    assert found.callers("risk_distribution") == {"credit-risk"}


def test_metrics_have_the_bounds_of_their_points(side: Sided) -> None:
    """A point has whole seconds: it was read up to one before its time, or two after."""

    def sent(metric_type: MetricType, name: str) -> list[Record]:
        points = [(START + n * 15 * S, float(n)) for n in (1, 2, 3)]
        return [*series(
            name, points, metric_type=metric_type, interval_s=15.0, host="db", tags=["table:a"],
        )]  # fmt: skip

    found = side(*sent(MetricType.GAUGE, "postgresql.dead_rows"))
    gauge = found.gauge(Metric(name="postgresql.dead_rows", scale=2.0))
    assert gauge is not None
    answer, moment = gauge
    assert (answer.value, answer.age_s, answer.resolution_s) == (6.0, 15.0, 15.0)
    assert (moment.early_ns, moment.late_ns) == (START + 44 * S, START + 47 * S)
    assert answer.points == tuple((START + n * 15 * S, 2.0 * n) for n in (1, 2, 3))
    assert found.values(Metric(name="postgresql.dead_rows")) == tuple(
        (START + n * 15 * S, float(n)) for n in (1, 2, 3)
    )
    assert found.gauge(Metric(name="postgresql.live_rows")) is None
