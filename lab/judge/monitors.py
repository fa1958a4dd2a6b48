"""Evaluates Datadog's monitors, as defined in datadog/monitors, over stored series.

Datadog evaluates a monitor once a minute; here at each whole minute. Its state is alert while its condition
is met for a group of tags; it recovers at the first evaluation that does not meet it. What a definition
contains beyond the documented subset is refused by name, and the monitor's verdict is unknown.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import takewhile
from operator import ge, gt, le, lt
from types import MappingProxyType

from lab.clients.prometheus import Alert
from lab.foundation.timestamps import NS_PER_S
from lab.judge.evidence import EVALUATED_EVERY_NS as EVERY_NS
from lab.judge.evidence import MonitorResult
from lab.judge.metric_query import (
    UnsupportedQueryError,
    normalized,
    selects,
)
from lab.judge.metric_values import (
    AGGREGATE,
    SPARSE,
    Group,
    Metrics,
    Runs,
    evaluate,
    runs_of,
    selected,
    totals,
)
from lab.judge.monitor_definitions import CheckMonitor, Monitor
from lab.telemetry.store import ServiceCheck

COMPARE = MappingProxyType({">=": ge, "<=": le, ">": gt, "<": lt})
CRITICAL = 2
CHECK_INTERVAL_S = 15.0


def result(
    monitor: Monitor | CheckMonitor,
    metrics: Metrics,
    checks: Sequence[ServiceCheck],
    *,
    since_ns: int,
    until_ns: int,
) -> MonitorResult:
    """Return what a monitor did between two moments; its data begin earlier."""
    if isinstance(monitor, CheckMonitor):
        return _of_checks(monitor, checks, since_ns=since_ns, until_ns=until_ns)
    try:
        return _of_metrics(monitor, metrics, since_ns=since_ns, until_ns=until_ns)
    except UnsupportedQueryError as error:
        return MonitorResult(doubt=f"{monitor.name} is not evaluated: {error}")


def _of_metrics(
    monitor: Monitor, metrics: Metrics, *, since_ns: int, until_ns: int
) -> MonitorResult:
    names = sorted({select.metric for select in selects(monitor.expression)})
    for name in names:
        if name not in SPARSE and not any(track.points for track in metrics.get(name, ())):
            return MonitorResult(doubt=f"{monitor.name}: no points of {name}")
    window = _Window(monitor, metrics)
    states = _States(monitor.name)
    doubts: dict[str, None] = {}
    for at_ns in _moments(since_ns, until_ns, window.runs):
        values, doubt = window.at(at_ns)
        if doubt:
            doubts[doubt] = None
            continue
        states.see(at_ns, partial(_met, monitor, values), values)
    doubt = next(iter(doubts), None)
    return states.result(window.runs, f"{monitor.name}: {doubt}" if doubt else None)


def _met(monitor: Monitor, values: Mapping[Group, float], group: Group, alerting: bool) -> bool:
    """Whether a group is in the state alert, from its value or, without one, by on_missing_data."""
    value = values.get(group)
    if value is None and monitor.missing == "default":
        if not monitor.counts:
            return alerting
        value = 0.0
    if value is None:
        return False
    limit = monitor.recovery if alerting else monitor.threshold
    met: bool = COMPARE[monitor.compare](value, limit)
    return met


class _Window:
    """The values of a monitor's query over the window that ends at a moment."""

    def __init__(self, monitor: Monitor, metrics: Metrics) -> None:
        self._monitor = monitor
        self._counts = selected(monitor.expression, metrics) if monitor.counts else {}
        self.runs = runs_of(monitor.expression, metrics)
        self._values = {} if monitor.counts else evaluate(monitor.expression, metrics)

    def at(self, at_ns: int) -> tuple[dict[Group, float], str | None]:
        """Return the value of each group, or the reason why nothing is known."""
        monitor = self._monitor
        begin_ns = at_ns - monitor.window_ns
        if doubt := self._gap(begin_ns, at_ns):
            return {}, doubt
        now = self._over(begin_ns, at_ns)
        if monitor.before_ns is None:
            return now, None
        before = self._over(begin_ns - monitor.before_ns, at_ns - monitor.before_ns)
        if now and not before:
            return {}, f"no data of {monitor.before_ns // NS_PER_S // 60} minutes before"
        return {
            group: (value - before[group]) / abs(before[group]) * 100
            for group, value in now.items()
            if before.get(group)
        }, None

    def _gap(self, begin_ns: int, at_ns: int) -> str | None:
        """Return why the window proves nothing: it is empty, or has a gap below which a count would fall."""
        runs = self.runs
        if not any(begin_ns < end <= at_ns for end in runs.ends_ns):
            return f"no data in the {(at_ns - begin_ns) // NS_PER_S} s before an evaluation"
        below = self._monitor.compare in {"<", "<="}
        if below and runs.longest_gap_ns(begin_ns, at_ns) > runs.allowed_gap_ns:
            return "a gap in the data of an evaluation"
        return None

    def _over(self, begin_ns: int, end_ns: int) -> dict[Group, float]:
        monitor = self._monitor
        if monitor.counts:
            return totals(monitor.expression, self._counts, since_ns=begin_ns, until_ns=end_ns)
        found = {}
        for group, values in self._values.items():
            inside = [value for at, value in values.items() if begin_ns < at <= end_ns]
            if inside:
                found[group] = float(AGGREGATE[monitor.aggregator](inside))
        return found


class _States:
    """The state of each group of a monitor over time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._alerting: dict[Group, bool] = {}
        self._alerts: list[Alert] = []
        self._held_ns: list[int] = []

    def see(self, at_ns: int, met: Callable[[Group, bool], bool], groups: Iterable[Group]) -> None:
        """Note the states at a moment; only evaluations, at whole minutes, change them."""
        known = dict.fromkeys((*self._alerting, *groups))
        evaluated = at_ns % EVERY_NS == 0
        for group in known:
            before = self._alerting.setdefault(group, False)
            now = met(group, before)
            if now and not before:
                self._held_ns.append(at_ns)
            if not evaluated:
                continue
            self._alerting[group] = now
            if now and not before:
                labels = {"alertname": self._name, **dict(group)}
                self._alerts.append(
                    Alert(name=self._name, labels=labels, pending_ns=None, firing_ns=at_ns)
                )

    def result(self, runs: Runs, doubt: str | None = None) -> MonitorResult:
        """Return all alerts."""
        return MonitorResult(
            alerts=tuple(self._alerts),
            held_ns=tuple(sorted(set(self._held_ns))),
            doubt=doubt,
            data_ns=runs.ends_ns,
            allowed_gap_ns=runs.allowed_gap_ns,
        )


def _moments(since_ns: int, until_ns: int, runs: Runs) -> list[int]:
    """Return the evaluations of a window, the last one before it, and the runs between them."""
    minutes = range(since_ns // EVERY_NS * EVERY_NS, until_ns + 1, EVERY_NS)
    return sorted({*minutes, *(at for at in runs.ends_ns if since_ns <= at <= until_ns)})


def _of_checks(
    monitor: CheckMonitor, checks: Sequence[ServiceCheck], *, since_ns: int, until_ns: int
) -> MonitorResult:
    own = [
        check for check in sorted(checks, key=lambda one: one.at_ns)
        if check.name == monitor.check and normalized(check.host) == monitor.host
    ]  # fmt: skip
    if not any(since_ns <= check.at_ns <= until_ns for check in own):
        return MonitorResult(doubt=f"{monitor.name}: no runs of {monitor.check}")
    states = _States(monitor.name)
    group: Group = ((monitor.by, monitor.host),)
    ends_ns = tuple(check.at_ns for check in own)
    runs = Runs(starts_ns=ends_ns, ends_ns=ends_ns, interval_s=CHECK_INTERVAL_S)
    for at_ns in _moments(since_ns, until_ns, runs):
        statuses = [check.status for check in own if check.at_ns <= at_ns]

        def met(_: Group, alerting: bool, statuses: Sequence[int] = statuses) -> bool:
            if alerting:
                return _in_a_row(statuses, lambda status: status == 0) < monitor.ok
            return _in_a_row(statuses, lambda status: status == CRITICAL) >= monitor.critical

        states.see(at_ns, met, [group])
    return states.result(runs)


def _in_a_row(statuses: Sequence[int], like: Callable[[int], bool]) -> int:
    return sum(1 for _ in takewhile(like, reversed(statuses)))
