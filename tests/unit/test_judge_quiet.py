"""Alerts in a window without a fault: which count, since when, and which observers have no data."""

import pytest

from lab.clients.prometheus import Alert
from lab.judge.evidence import Evidence, Observer
from lab.judge.quiet import FalsePositive, false_positives, together, without_data
from lab.judge.verdicts import STALE_NS

SINCE, UNTIL = 1_000_000_000_000, 1_060_000_000_000


def alert(firing_ns: int | None, name: str = "ServiceDown", **labels: str) -> Alert:
    return Alert(name=name, labels=labels, pending_ns=firing_ns, firing_ns=firing_ns)


def found(*alerts: Alert) -> list[tuple[str, str, int]]:
    evidence = Evidence(since_ns=SINCE, until_ns=UNTIL, alerts=alerts)
    alarms = false_positives(evidence, {}, since_ns=SINCE, until_ns=UNTIL)
    return [(alarm.what, alarm.says, alarm.at_ns) for alarm in alarms]


@pytest.mark.parametrize(
    ("firing_ns", "says"),
    [
        (SINCE - 1, "fired before the window"),
        (SINCE, "fired within the window"),
        (UNTIL, "fired within the window"),
        (UNTIL + 1, None),
        (None, None),
    ],
)
def test_an_alert_counts_that_fires_until_the_end(firing_ns: int | None, says: str | None) -> None:
    expected = [("ServiceDown", says, firing_ns)] if says else []
    assert found(alert(firing_ns)) == expected


def test_one_alert_of_several_services_counts_once_with_the_first() -> None:
    """Named by the labels that distinguish them; another alert is a separate one."""
    first = alert(
        SINCE + 1, service="risk", severity="page", alertname="ServiceDown", job="x", instance="y"
    )
    later = alert(SINCE + 2, service="customers")
    assert found(later, first, alert(SINCE + 1, service="z"), alert(SINCE + 3, name="Burst")) == [
        ("ServiceDown", "fired within the window service=risk", SINCE + 1),
        ("Burst", "fired within the window", SINCE + 3),
    ]


def test_an_observer_without_fresh_data_was_not_there() -> None:
    """The reason why an observer is unavailable has precedence over missing data."""
    heard = dict.fromkeys(Observer, UNTIL)
    heard[Observer.LOG] = UNTIL - STALE_NS
    heard[Observer.APM] = UNTIL - STALE_NS - 10**9
    del heard[Observer.DBM], heard[Observer.ALERTS]
    evidence = Evidence(
        since_ns=SINCE,
        until_ns=UNTIL,
        last_data_ns=heard,
        unavailable={Observer.ALERTS: "it does not answer"},
    )
    assert without_data(evidence, until_ns=UNTIL) == {
        Observer.ALERTS: "it does not answer",
        Observer.DBM: "it delivered nothing",
        Observer.APM: f"its freshest data were {STALE_NS // 10**9 + 1} s old",
    }


def test_stretches_with_the_same_alarm_are_counted_together() -> None:
    def alarm(what: str, at_ns: int, observer: Observer = Observer.DBM) -> FalsePositive:
        return FalsePositive(observer=observer, what=what, says="", at_ns=at_ns)

    alarms = [
        alarm("a", 1),
        alarm("b", 2),
        alarm("a", 3),
        alarm("a", 4, Observer.LOG),
        alarm("a", 5),
    ]
    assert [(a.observer, a.what, a.at_ns, a.stretches) for a in together(alarms)] == [
        (Observer.DBM, "a", 1, 3),
        (Observer.DBM, "b", 2, 1),
        (Observer.LOG, "a", 4, 1),
    ]
