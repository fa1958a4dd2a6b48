"""The judge over recorded evidence: plain, missing, delayed, stale and contradictory."""

from dataclasses import replace

import pytest

from lab.clients.prometheus import Series
from lab.foundation.timestamps import NS_PER_S as NS
from lab.judge.collect import longest_gap
from lab.judge.evidence import Gap, Observer
from lab.judge.readings import GRACE_NS, Seen
from lab.judge.verdicts import STALE_NS, Depth, judge
from lab.telemetry.store import Event, Participant, Plan
from tests.judging import (
    ALERTS,
    EMPTY,
    EXPR,
    FRESH,
    HEALED,
    INJECTED,
    PROVEN,
    SIGNALS,
    T0,
    TRUTH,
    alert,
    delta,
    series,
    session,
    verdict,
)


def test_a_series_that_rises_after_the_proof_is_seen_with_its_time() -> None:
    """The time to detect is from the proof to the first point above the threshold."""
    found = verdict(Observer.METRICS, series((50, 0), (60, 0), (70, 5), (80, 9)))
    assert (found.seen, found.after_s, found.depths) == (Seen.SEEN, 9.0, (Depth.DETECTED,))
    assert found.says == ("blocked sessions: 9",)
    thousand = verdict(Observer.METRICS, series((50, 0), (70, 1_000)))
    assert thousand.says == ("blocked sessions: 1,000",)


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
    assert found.says == ("its freshest data were 31 s old when the fault was healed",)


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


@pytest.mark.parametrize(("begin_s", "end_s"), [(20, 80), (61, 90), (70, 100), (100, 140)])
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


@pytest.mark.parametrize(
    ("at_s", "value", "seen"),
    [(60, 9, Seen.UNKNOWN), (121, 9, Seen.UNKNOWN), (122, 9, Seen.MISSED), (70, 2, Seen.MISSED)],
)
def test_a_value_contradicts_that_stays_above_during_the_fault(
    at_s: float, value: float, seen: Seen
) -> None:
    """From the injection to the healing; the threshold itself, 2, is not above it."""
    assert verdict(Observer.METRICS, series((50, 9), (at_s, value))).seen is seen


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


def test_a_series_rises_most_by_its_distance_from_what_it_was_before() -> None:
    """From 1 to 8 is more than from 4 to 9."""
    true = Series(
        labels={"statement": "lock_customers"}, points=((INJECTED - NS, 1.0), (INJECTED + NS, 8.0))
    )
    other = Series(labels={"statement": "x"}, points=((INJECTED - NS, 4.0), (INJECTED + NS, 9.0)))
    found = verdict(Observer.METRICS, replace(EMPTY, series={EXPR: (other, true)}))
    assert (found.says, found.depths) == (
        ("blocked sessions: 8",), (Depth.DETECTED, Depth.STATEMENT)
    )  # fmt: skip


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
    for at_ns, is_shown in (
        (INJECTED - 1, False),
        (INJECTED, True),
        (HEALED + GRACE_NS, True),
        (HEALED + GRACE_NS + 1, False),
    ):
        then = replace(seen, estimated=(replace(plan, at_ns=at_ns),))
        assert (Depth.PLAN in verdict(Observer.DBM, then).depths) is is_shown


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


def test_an_alert_of_the_moment_of_the_injection_is_one_of_the_fault() -> None:
    found = verdict(Observer.ALERTS, replace(EMPTY, alerts=(alert("SessionsBlocked", 60, 60),)))
    assert (found.seen, found.after_s) == (Seen.SEEN, 0.0)
    assert (found.alerts[0].pending_s, found.alerts[0].firing_s) == (0.0, 0.0)


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
