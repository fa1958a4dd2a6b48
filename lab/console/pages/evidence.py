"""Links from the run of a drill to its evidence: trace, plan, samples, series and log lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from lab.drilldown import Drilldown
from lab.drilldown.links import trace_path, window_parameters
from lab.drilldown.traces import Order, Search
from lab.drills.drill import Drill
from lab.foundation.timestamps import nanoseconds
from lab.judge.evidence import TITLES, Observer
from lab.judge.signals import Metric

# Before and after the fault, so that its begin and its end can be seen.
AROUND = timedelta(minutes=1)
SLOWEST_PLAN = """
SELECT trace_id, span_id, p.statement FROM plans p JOIN spans s USING (trace_id, span_id)
WHERE p.executed AND p.at_ns BETWEEN :since AND :until
ORDER BY p.duration_ns DESC LIMIT 1"""
LONGEST_WAIT = """
SELECT trace_id, span_id, e.statement FROM events e JOIN spans s USING (trace_id, span_id)
WHERE e.kind = 'lock_wait' AND e.at_ns BETWEEN :since AND :until
ORDER BY e.duration_ns DESC LIMIT 1"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A link to a piece of evidence, of one observer."""

    observer: str
    what: str
    href: str


def links(
    drilldown: Drilldown, drill: Drill | None, since: datetime, until: datetime
) -> Sequence[Link]:
    """Return the links of a run whose fault was active from `since` to `until`."""
    return [
        *_datadog(drilldown, drill, since, until),
        *(_series(drilldown, drill, since, until) if drill else ()),
        Link(
            observer=TITLES[Observer.LOG],
            what="lock waits, deadlocks, spills and errors of that time",
            href=f"/?{_range(since, until)}#incidents",
        ),
    ]


def _range(since: datetime, until: datetime) -> str:
    return urlencode(window_parameters(since - AROUND, until + AROUND))


def _datadog(
    drilldown: Drilldown, drill: Drill | None, since: datetime, until: datetime
) -> Iterator[Link]:
    slowest = drilldown.search(Search(since=since, until=until, order=Order.SLOWEST, limit=1))
    for trace in slowest:
        what = f"the slowest trace: {trace.service} {trace.operation}"
        yield Link(observer=TITLES[Observer.APM], what=what, href=trace_path(trace.trace_id))
    window = {"since": nanoseconds(since), "until": nanoseconds(until)}
    for sql, what in ((LONGEST_WAIT, "the longest lock wait"), (SLOWEST_PLAN, "the slowest plan")):
        for trace_id, span_id, statement in drilldown.reader.rows(sql, window):
            yield Link(
                observer=TITLES[Observer.LOG],
                what=f"{what}: {statement or 'unnamed statement'}",
                href=trace_path(trace_id, span_id),
            )
    ranged = _range(since, until)
    samples = "the samples as database load by wait event"
    yield Link(observer=TITLES[Observer.DBM], what=samples, href=f"/?{ranged}#load")
    for name in sorted(drill.statements if drill else ()):
        if drilldown.reader.rows("SELECT 1 FROM statements WHERE name = ? LIMIT 1", [name]):
            what = f"the statement at fault: {name}"
            yield Link(observer=TITLES[Observer.DBM], what=what, href=f"/queries/{name}?{ranged}")


def _series(drilldown: Drilldown, drill: Drill, since: datetime, until: datetime) -> Iterator[Link]:
    window = since - AROUND, until + AROUND
    for signal in drill.signals:
        if isinstance(signal, Metric):
            yield Link(
                observer=TITLES[Observer.METRICS],
                what=signal.says,
                href=drilldown.links.expression(signal.expr, window),
            )
    if drill.alerts:
        expr = f'ALERTS{{alertname=~"{"|".join(drill.alerts)}"}}'
        href = drilldown.links.expression(expr, window)
        yield Link(observer=TITLES[Observer.ALERTS], what=", ".join(drill.alerts), href=href)
