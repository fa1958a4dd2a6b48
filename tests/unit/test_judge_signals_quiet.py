"""False positives of signals and alerts in a window without a fault, and observers without data."""

from dataclasses import replace

from lab.foundation.timestamps import NS_PER_S as NS
from lab.judge.evidence import Observer
from lab.judge.quiet import false_positives, together, without_data
from lab.judge.verdicts import STALE_NS
from tests.judging import EMPTY, FRESH, HEALED, INJECTED, SIGNALS, T0, alert, series


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
