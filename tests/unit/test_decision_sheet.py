"""The decision sheet: what each stack detected, how soon, in what detail, at what cost."""

from lab.compare.comparison import Cost
from lab.drills.assessment import Assessment
from lab.drills.matrix import Matrix
from lab.drills.runner import Run
from lab.judge.evidence import Observer
from lab.judge.readings import Seen
from lab.judge.verdicts import Depth, Verdict
from lab.learn.sheet import html, sheet


def seen(observer: Observer, after_s: float, *depths: Depth) -> Verdict:
    return Verdict(
        observer=observer, seen=Seen.SEEN, after_s=after_s, depths=(Depth.DETECTED, *depths)
    )


def assessed(drill: str, *verdicts: Verdict) -> Assessment:
    run = Run(
        run="0" * 12, drill=drill, intensity=1.0, injected_ns=1, proven_ns=2, healed_ns=3, held=True,
        proof="", pids=(),
    )  # fmt: skip
    return Assessment(run=run, verdicts=verdicts, other_alerts=(), datadog="Datadog Agent")


def cost(role: str, ms_per_s: float, sessions: int) -> Cost:
    return Cost(
        role=role, calls_per_s=1.0, ms_per_s=ms_per_s, share_percent=1.0, blocks_per_s=0.0, sessions=sessions
    )  # fmt: skip


ROWS = (
    assessed(
        "row-lock-chain",
        seen(Observer.METRICS, 8.0),
        seen(Observer.ALERTS, 30.0),
        seen(Observer.DBM, 4.0, Depth.STATEMENT, Depth.CULPRIT),
        seen(Observer.APM, 2.0, Depth.TRACE),
    ),
    assessed(
        "burst",
        Verdict(observer=Observer.METRICS, seen=Seen.MISSED),
        seen(Observer.DBM, 6.0, Depth.STATEMENT),
        Verdict(observer=Observer.LOG, seen=Seen.UNKNOWN),
    ),
    assessed("deadlocks", Verdict(observer=Observer.METRICS, seen=Seen.UNKNOWN)),
)
MATRIX = Matrix(machine="2 processors", at_ns=1, rows=ROWS)
COSTS = (cost("credit_app", 50.0, 20), cost("datadog", 2.0, 1), cost("postgres_exporter", 4.0, 2))


def test_a_stack_detects_what_one_of_its_observers_detects_at_its_first_evidence() -> None:
    found = sheet(MATRIX, COSTS)
    prometheus, datadog, log = found.stacks
    assert (prometheus.detected, prometheus.judged, prometheus.unknown) == (1, 2, 1)
    assert (prometheus.median_s, prometheus.slowest_s, prometheus.only) == (8.0, 8.0, ())
    assert (datadog.detected, datadog.judged, datadog.unknown) == (2, 2, 1)
    assert (datadog.median_s, datadog.slowest_s, datadog.only) == (4.0, 6.0, ("burst",))
    assert {d: n for d, n in datadog.depths.items() if n} == {
        Depth.DETECTED: 2,
        Depth.STATEMENT: 2,
        Depth.CULPRIT: 1,
        Depth.TRACE: 1,
    }
    assert (log.judged, log.detected, log.median_s) == (0, 0, None)
    assert found.missed_by_all == ("deadlocks",)
    assert (prometheus.ms_per_s, datadog.ms_per_s, log.ms_per_s) == (4.0, 2.0, None)
    assert (datadog.sessions, found.application_ms_per_s) == (1, 50.0)


def test_the_page_states_the_figures_and_why_costs_are_absent() -> None:
    page = " ".join(html(sheet(MATRIX, COSTS)).split())
    assert "3 of 22 incidents were made and proven in PostgreSQL on 2 processors" in page
    assert "2 of 2 <span" in page
    assert "the application's statements take 50.00 ms per s" in page
    without = sheet(MATRIX, (), "PostgreSQL does not answer")
    assert without.stacks[0].ms_per_s is None
    assert without.stacks[0].sessions is None
    assert "Costs are absent: PostgreSQL does not answer" in html(without)
