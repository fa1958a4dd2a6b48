"""The judge over recorded evidence: plain, missing, delayed, stale and contradictory."""

from dataclasses import replace

import pytest

from lab.clients.prometheus import Alert, Series
from lab.foundation import clock
from lab.foundation.timestamps import NS_PER_S as NS
from lab.judge.collect import longest_gap
from lab.judge.evidence import Evidence, Gap, Observer, Truth
from lab.judge.quiet import false_positives, together, without_data
from lab.judge.readings import GRACE_NS, Seen
from lab.judge.signals import Deltas, Events, Metric, NoSpans, Resources, Sessions, Spans
from lab.judge.verdicts import STALE_NS, Depth, Verdict, judge
from lab.telemetry.store import ActivitySample, Event, Participant, Plan, QueryMetrics, Source, Span

# A whole minute: signals count by intervals of ten seconds.
T0 = clock.now_ns() // (60 * NS) * (60 * NS)
INJECTED, PROVEN, HEALED = T0 + 60 * NS, T0 + 61 * NS, T0 + 121 * NS
TRUTH = Truth(
    drill="row-lock-chain",
    injected_ns=INJECTED,
    proven_ns=PROVEN,
    healed_ns=HEALED,
    statements=frozenset({"lock_customers"}),
    queryids=frozenset({42}),
    services=frozenset({"credit-drill"}),
    pids=frozenset({100}),
)
EXPR = "pg_blocked_sessions_count"
METRIC = Metric(says="blocked sessions", expr=EXPR, above=2)
BLOCKED = Sessions(says="blocked", above=0, like=lambda s: bool(s.blocking_pids))
CALLS = Deltas(says="calls", above=100, measure=lambda d: d.calls)
FAILED = Spans(says="failed spans", above=0, like=lambda s: s.error)
WAITS = Events(says="lock waits", above=0, like=lambda e: e.kind == "lock_wait")
SIGNALS = (METRIC, BLOCKED, CALLS, FAILED, WAITS)
ALERTS = ("SessionsBlocked", "LongLockWait")
FRESH = dict.fromkeys(Observer, HEALED)
EMPTY = Evidence(since_ns=T0, until_ns=HEALED + 30 * NS, last_data_ns=FRESH)


def verdict(observer: Observer, evidence: Evidence, truth: Truth = TRUTH) -> Verdict:
    [found] = [v for v in judge(evidence, truth, SIGNALS, ALERTS) if v.observer is observer]
    return found


def series(*points: tuple[float, float], **labels: str) -> Evidence:
    """Return evidence of one series: seconds since the beginning, and values."""
    made = tuple((T0 + round(at * NS), value) for at, value in points)
    return replace(EMPTY, series={EXPR: (Series(labels=labels, points=made),)})


def session(at_s: float, pid: int, **fields: object) -> ActivitySample:
    empty = dict.fromkeys(ActivitySample.__dataclass_fields__)
    known = {"at_ns": T0 + round(at_s * NS), "source": Source.EMBEDDED, "pid": pid}
    return ActivitySample(**{**empty, "blocking_pids": (), **known, **fields})  # type: ignore[arg-type]


def delta(at_s: float, queryid: int, calls: int) -> QueryMetrics:
    zeros = dict.fromkeys(QueryMetrics.__dataclass_fields__, 0)
    known = {"source": Source.EMBEDDED, "database": "creditdb", "role": "credit_app"}
    at = {"at_ns": T0 + round(at_s * NS), "signature": f"{queryid:x}", "queryid": queryid}
    return QueryMetrics(**{**zeros, **known, **at, "calls": calls})  # type: ignore[arg-type]


def alert(name: str, pending_s: float | None, firing_s: float | None, **labels: str) -> Alert:
    def at(seconds: float | None) -> int | None:
        return None if seconds is None else T0 + round(seconds * NS)

    return Alert(name=name, labels=labels, pending_ns=at(pending_s), firing_ns=at(firing_s))


def test_a_series_that_rises_after_the_proof_is_seen_with_its_time() -> None:
    """The time to detect is from the proof to the first point above the threshold."""
    found = verdict(Observer.METRICS, series((50, 0), (60, 0), (70, 5), (80, 9)))
    assert (found.seen, found.after_s, found.depths) == (Seen.SEEN, 9.0, (Depth.DETECTED,))
    assert found.says == ("blocked sessions: 9",)


def test_what_was_seen_between_injection_and_proof_took_no_time() -> None:
    found = verdict(Observer.METRICS, series((50, 0), (60.5, 5)))
    assert found.after_s == 0.0


def test_no_observer_is_judged_by_a_fault_that_was_not_proven() -> None:
    """Whatever the observers show: PostgreSQL did not confirm it."""
    unproven = replace(TRUTH, proven_ns=None)
    found = judge(series((50, 0), (70, 9)), unproven, SIGNALS, ALERTS)
    assert {v.seen for v in found} == {Seen.UNKNOWN}
    assert all("not proved" in v.says[0] for v in found)


@pytest.mark.parametrize("observer", Observer)
def test_an_observer_without_data_is_unknown_not_missed(observer: Observer) -> None:
    """Absent data are no miss."""
    found = verdict(observer, replace(EMPTY, last_data_ns={}))
    assert (found.seen, found.says) == (Seen.UNKNOWN, ("it delivered nothing in this time",))


@pytest.mark.parametrize("observer", Observer)
def test_an_observer_with_fresh_data_that_show_nothing_has_missed_it(observer: Observer) -> None:
    assert verdict(observer, EMPTY).seen is Seen.MISSED


@pytest.mark.parametrize("observer", Observer)
def test_an_unavailable_observer_has_the_reason(observer: Observer) -> None:
    found = verdict(observer, replace(EMPTY, unavailable={observer: "it does not answer"}))
    assert (found.seen, found.says) == (Seen.UNKNOWN, ("it does not answer",))


def test_stale_data_are_no_miss() -> None:
    """One that stopped delivering before the heal may have stopped before the fault showed."""
    stale = replace(EMPTY, last_data_ns={**FRESH, Observer.DBM: HEALED - STALE_NS - NS})
    found = verdict(Observer.DBM, stale)
    assert found.seen is Seen.UNKNOWN
    assert "31 s old" in found.says[0]


def test_stale_data_that_show_the_fault_have_seen_it() -> None:
    """An observer that showed it, and then delivered no more data, has seen it."""
    evidence = replace(series((50, 0), (70, 9)), last_data_ns={Observer.METRICS: PROVEN + 9 * NS})
    assert verdict(Observer.METRICS, evidence).seen is Seen.SEEN


def test_data_of_after_the_heal_do_not_make_a_miss_of_silence() -> None:
    """An observer that was stopped, as in the drill agent-stopped, delivers again: it does not know."""
    times = [T0 + 55 * NS, HEALED - 2 * NS, HEALED + NS]
    gap = longest_gap(times, since_ns=T0, until_ns=EMPTY.until_ns)
    assert (gap.begin_ns, gap.end_ns) == (T0 + 55 * NS, HEALED - 2 * NS)
    deaf = replace(
        EMPTY, last_data_ns={**FRESH, Observer.DBM: HEALED + NS}, gaps={Observer.DBM: gap}
    )
    found = verdict(Observer.DBM, deaf)
    assert found.seen is Seen.UNKNOWN
    assert found.says == ("it delivered nothing for 59 s of the fault",)


@pytest.mark.parametrize(("begin_s", "end_s"), [(20, 80), (61, 90), (100, 140)])
def test_a_short_silence_or_one_of_before_and_after_is_a_miss_all_the_same(
    begin_s: int, end_s: int
) -> None:
    """What counts is how much of the fault passed without a word: up to half a minute is none."""
    gap = Gap(begin_ns=T0 + begin_s * NS, end_ns=T0 + end_s * NS)
    assert verdict(Observer.DBM, replace(EMPTY, gaps={Observer.DBM: gap})).seen is Seen.MISSED


def test_evidence_after_the_healing_is_a_miss_with_the_delay() -> None:
    """Within the time of a scrape after the heal it counts; later it does not."""
    grace_s = GRACE_NS / NS
    in_time = verdict(Observer.METRICS, series((50, 0), (121 + grace_s, 9)))
    assert in_time.seen is Seen.SEEN
    late = verdict(Observer.METRICS, series((50, 0), (121 + grace_s + 5, 9)))
    assert late.seen is Seen.MISSED
    assert late.says == ("blocked sessions: only 25 s after the heal",)


def test_what_was_so_before_the_fault_contradicts() -> None:
    """A value that is as high before as during the fault is no evidence."""
    found = verdict(Observer.METRICS, series((50, 9), (70, 9), (80, 10)))
    assert found.seen is Seen.UNKNOWN
    assert found.says == ("blocked sessions: above the threshold before the fault",)


def test_a_high_value_that_falls_with_the_fault_is_a_miss() -> None:
    assert verdict(Observer.METRICS, series((50, 9), (70, 0))).seen is Seen.MISSED


def test_a_rise_far_above_what_was_before_is_seen_all_the_same() -> None:
    assert verdict(Observer.METRICS, series((50, 4), (70, 9))).seen is Seen.SEEN


def test_only_the_series_that_rises_the_most_names_the_statement() -> None:
    """Only the track that rises most counts: a true name in another track does not."""
    true = Series(
        labels={"statement": "lock_customers", "service": "credit-drill"},
        points=((INJECTED + 5 * NS, 3.0),),
    )
    victim = Series(labels={"statement": "browse_products"}, points=((INJECTED + 5 * NS, 8.0),))
    both = replace(EMPTY, series={EXPR: (true, victim)})
    assert verdict(Observer.METRICS, both).depths == (Depth.DETECTED,)
    alone = replace(EMPTY, series={EXPR: (true,)})
    named = verdict(Observer.METRICS, alone).depths
    assert named == (Depth.DETECTED, Depth.STATEMENT, Depth.CULPRIT)


def test_a_blocking_pid_names_the_culprit_and_its_last_statement() -> None:
    """A waiting session leads to the blocking one in the same activity sample."""
    waiting = session(62, 200, blocking_pids=(100,), trace_id="0" * 32, statement="update_contact")
    holder = session(62, 100, statement="lock_customers", service="credit-drill")
    evidence = replace(EMPTY, activity=(session(61, 300), waiting, holder))
    found = verdict(Observer.DBM, evidence)
    assert found.after_s == 1.0
    assert found.depths == (Depth.DETECTED, Depth.STATEMENT, Depth.CULPRIT, Depth.TRACE)


def test_a_wrong_pid_names_no_culprit() -> None:
    evidence = replace(EMPTY, activity=(session(62, 200, blocking_pids=(300,)),))
    assert verdict(Observer.DBM, evidence).depths == (Depth.DETECTED,)


def test_deltas_name_the_statement_by_its_queryid() -> None:
    evidence = replace(
        EMPTY, deltas=(delta(50, 7, 90), delta(70, 7, 95), delta(50, 42, 0), delta(70, 42, 500))
    )
    assert verdict(Observer.DBM, evidence).depths == (Depth.DETECTED, Depth.STATEMENT)


def test_a_plan_counts_for_the_observer_that_holds_it_and_only_of_the_statement_at_fault() -> None:
    empty = dict.fromkeys(Plan.__dataclass_fields__)
    plan = Plan(**{**empty, "at_ns": PROVEN, "statement": "lock_customers"})  # type: ignore[arg-type]
    seen = replace(EMPTY, activity=(session(62, 200, blocking_pids=(100,)),))
    assert Depth.PLAN in verdict(Observer.DBM, replace(seen, estimated=(plan,))).depths
    assert Depth.PLAN not in verdict(Observer.DBM, replace(seen, executed=(plan,))).depths
    other = replace(plan, statement="browse_products")
    assert Depth.PLAN not in verdict(Observer.DBM, replace(seen, estimated=(other,))).depths
    before = replace(plan, at_ns=INJECTED - NS)
    assert Depth.PLAN not in verdict(Observer.DBM, replace(seen, estimated=(before,))).depths


def test_a_span_is_held_when_it_has_ended() -> None:
    """A span that began before the fault and ended in it is seen at its end."""
    span = Span(
        trace_id="0" * 32,
        span_id="0" * 16,
        parent_id=None,
        service="credit-customers",
        name="credit.operation",
        resource="lookup",
        kind="worker",
        start_ns=INJECTED - NS,
        duration_ns=12 * NS,
        error=True,
        tags={},
    )
    found = verdict(Observer.APM, replace(EMPTY, spans=(span,)))
    assert found.after_s == 10.0
    assert found.depths == (Depth.DETECTED, Depth.TRACE)


def statement_span(at_s: float, resource: str, ms: float) -> Span:
    return Span(
        trace_id="0" * 32,
        span_id=f"{round(at_s * 1000):016x}",
        parent_id="1" * 16,
        service="postgres",
        name="postgres.query",
        resource=resource,
        kind="sql",
        start_ns=T0 + round(at_s * NS),
        duration_ns=round(ms * 1e6),
        error=False,
        tags={"_dd.base_service": "credit-drill"},
    )


def test_spans_name_the_statement_by_its_text_and_the_caller_by_its_service() -> None:
    """The text in which the most time is spent, over what it was, is the one that is looked at."""
    truth = replace(TRUTH, texts=frozenset({"SELECT 1"}))
    spans = tuple(
        statement_span(at_s, text, ms)
        for at_s, text, ms in (
            (40, "SELECT 1", 1),
            (41, "SELECT report", 900),
            (70, "SELECT 1", 2500),
            (71, "SELECT report", 2900),
        )
    )
    slower = Resources(says="ms in 10 s", above=100, times=3)
    evidence = replace(EMPTY, spans=spans)
    [found] = [v for v in judge(evidence, truth, [slower], ()) if v.observer is Observer.APM]
    assert found.depths == (Depth.DETECTED, Depth.STATEMENT, Depth.CULPRIT, Depth.TRACE)


@pytest.mark.parametrize(
    ("heavy_at", "seen"), [((70,), Seen.MISSED), ((70, 90), Seen.MISSED), ((70, 80), Seen.SEEN)]
)
def test_one_heavy_interval_alone_is_no_fault(heavy_at: tuple[int, ...], seen: Seen) -> None:
    """Where two in a row are required, an interval without spans breaks the row."""
    spans = [statement_span(at_s, "SELECT report", 2900) for at_s in heavy_at]
    spans += [statement_span(at_s, "SELECT 1", 1) for at_s in range(41, 120, 10)]
    slower = Resources(says="ms in 10 s", above=100, times=3, points=2)
    evidence = replace(EMPTY, spans=tuple(spans))
    [found] = [v for v in judge(evidence, TRUTH, [slower], ()) if v.observer is Observer.APM]
    assert found.seen is seen


@pytest.mark.parametrize(("executions", "seen"), [(1, Seen.MISSED), (2, Seen.SEEN)])
def test_a_single_execution_in_an_interval_does_not_count(executions: int, seen: Seen) -> None:
    """Where two are required: a report that takes long in each interval is executed once in it."""
    spans = [
        statement_span(at_s + execution, "SELECT report", 900)
        for at_s in (70, 80)
        for execution in range(executions)
    ]
    spans += [statement_span(at_s, "SELECT 1", 1) for at_s in range(41, 120, 10)]
    slower = Resources(says="ms in 10 s", above=100, times=3, points=2, at_least=2)
    evidence = replace(EMPTY, spans=tuple(spans))
    [found] = [v for v in judge(evidence, TRUTH, [slower], ()) if v.observer is Observer.APM]
    assert found.seen is seen


@pytest.mark.parametrize(
    ("resources", "seen"), [(("a", "b", "a"), Seen.MISSED), (("a", "a", "b", "a"), Seen.SEEN)]
)
def test_executions_in_a_row_are_those_of_one_statement(
    resources: tuple[str, ...], seen: Seen
) -> None:
    """Three of one statement, whatever others come between; two of it are too few."""
    spans = [statement_span(70 + n, resource, 900) for n, resource in enumerate(resources)]
    spans += [statement_span(40 + n, "SELECT 1", 1) for n in range(60)]
    slow = Spans(says="ms", above=600, points=3, each=True, like=lambda s: s.kind == "sql")
    evidence = replace(EMPTY, spans=tuple(spans))
    [found] = [v for v in judge(evidence, TRUTH, [slow], ()) if v.observer is Observer.APM]
    assert found.seen is seen


@pytest.mark.parametrize(("every_s", "seen"), [(1, Seen.SEEN), (10, Seen.MISSED)])
def test_only_who_often_speaks_can_be_missed(every_s: int, seen: Seen) -> None:
    """Half a minute without a span is a sign of a service with one each second, and none of a rare one."""
    spans = tuple(
        replace(statement_span(at_s, "operation", 1), parent_id=None)
        for at_s in range(0, 140, every_s)
        if not 61 <= at_s < 95
    )
    no_spans = NoSpans(says="seconds without a span", above=20)
    evidence = replace(EMPTY, spans=spans)
    [found] = [v for v in judge(evidence, TRUTH, [no_spans], ()) if v.observer is Observer.APM]
    assert found.seen is seen


def test_the_log_names_both_sides_of_a_wait() -> None:
    empty = dict.fromkeys(Event.__dataclass_fields__)
    reported = {
        "at_ns": PROVEN + NS,
        "kind": "lock_wait",
        "pid": 200,
        "participants": (Participant(pid=200, blocked_by=(100,)),),
    }
    found = verdict(Observer.LOG, replace(EMPTY, events=(Event(**{**empty, **reported}),)))  # type: ignore[arg-type]
    assert found.depths == (Depth.DETECTED, Depth.CULPRIT)


def test_alerts_say_when_they_were_pending_and_firing() -> None:
    """Both times are kept for each alert; the one that fired first is the verdict's."""
    evidence = replace(
        EMPTY, alerts=(alert("SessionsBlocked", 70, 90), alert("LongLockWait", None, 75))
    )
    found = verdict(Observer.ALERTS, evidence)
    assert (found.seen, found.after_s) == (Seen.SEEN, 14.0)
    times = {t.name: (t.pending_s, t.firing_s) for t in found.alerts}
    assert times == {"SessionsBlocked": (9.0, 29.0), "LongLockWait": (14.0, 14.0)}


def test_an_alert_that_only_became_pending_did_not_fire() -> None:
    found = verdict(Observer.ALERTS, replace(EMPTY, alerts=(alert("SessionsBlocked", 70, None),)))
    assert found.seen is Seen.MISSED
    assert found.alerts[0].pending_s == 9.0


def test_an_alert_of_something_else_is_no_evidence() -> None:
    found = verdict(Observer.ALERTS, replace(EMPTY, alerts=(alert("TempFileSpill", 70, 75),)))
    assert found.seen is Seen.MISSED


def test_an_alert_that_fired_before_the_fault_contradicts() -> None:
    found = verdict(Observer.ALERTS, replace(EMPTY, alerts=(alert("SessionsBlocked", 20, 40),)))
    assert found.seen is Seen.UNKNOWN
    assert found.says == ("SessionsBlocked fired before the fault",)


def test_an_alert_that_fires_long_after_the_heal_is_late() -> None:
    found = verdict(Observer.ALERTS, replace(EMPTY, alerts=(alert("SessionsBlocked", 70, 150),)))
    assert found.seen is Seen.MISSED
    assert found.says == ("SessionsBlocked fired only 29 s after the heal",)


def test_a_window_without_changes_has_no_false_positive() -> None:
    """A value that was high before the window is no false positive, nor is an alert that is only pending."""
    calm = replace(series((50, 3), (70, 3)), alerts=(alert("SessionsBlocked", 70, None),))
    assert list(false_positives(calm, {"any": SIGNALS}, since_ns=INJECTED, until_ns=HEALED)) == []
    assert without_data(calm, until_ns=HEALED) == {}


def test_a_rise_without_a_fault_is_a_false_positive() -> None:
    """Whichever drill's signal it is; a firing alert is one whether it belongs to a drill or not."""
    risen = replace(
        series((50, 0), (70, 9)), alerts=(alert("Novel", 20, 30, service="credit-risk"),)
    )
    found = list(false_positives(risen, {"any": SIGNALS}, since_ns=INJECTED, until_ns=HEALED))
    assert [(a.observer, a.what, a.says) for a in found] == [
        (Observer.ALERTS, "Novel", "fired before the window service=credit-risk"),
        (Observer.METRICS, "any", "blocked sessions: 9"),
    ]
    assert found[1].at_ns == T0 + 70 * NS
    assert [alarm.stretches for alarm in together([*found, *found])] == [2, 2]


def test_an_alert_that_fires_for_two_is_one_false_positive() -> None:
    """Of a window: the one that fired first is reported."""
    fired = tuple(
        alert("WorkloadLate", 60, at_s, service=service)
        for service, at_s in (("credit-risk", 80), ("credit-customers", 75))
    )
    late = replace(series((50, 0)), alerts=fired)
    [found] = false_positives(late, {}, since_ns=INJECTED, until_ns=HEALED)
    assert (found.what, found.says, found.stretches) == (
        "WorkloadLate",
        "fired within the window service=credit-customers",
        1,
    )


def test_the_quiet_of_one_who_was_not_there_says_nothing() -> None:
    """Silent, stale or absent: it is named with its reason."""
    stale = {**FRESH, Observer.DBM: HEALED - STALE_NS - NS}
    del stale[Observer.APM]
    found = without_data(
        replace(EMPTY, last_data_ns=stale, unavailable={Observer.LOG: "no store"}), until_ns=HEALED
    )
    assert found == {
        Observer.LOG: "no store",
        Observer.DBM: "its freshest data were 31 s old",
        Observer.APM: "it delivered nothing",
    }
