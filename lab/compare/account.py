"""The Datadog side from an account: metrics, trace metrics, plans and samples by Datadog's API.

Activity samples of all sessions, settings, schema and spans of single statements come from the intake's copy.
So does a statement's name: it is a `query_signature` in the account, and has a queryid in the copy.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

from lab.compare.answers import Answer
from lab.compare.intake import APPLICATION, Datadog
from lab.compare.readings import Moment
from lab.compare.received import Metric
from lab.compare.side import interval_s, summed
from lab.compare.stages import Observed, Window
from lab.datadog.account import Account
from lab.datadog.api import Api, DatadogSeries, Sample
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.intake.metric_names import KEPT_METRICS, CheckType

# `reported_hostname` in datadog/conf.d/postgres.d/conf.yaml.
HOST = "credit-lab-postgres"
# Column of dbmmetrics -> name after postgresql.queries., and factor to the column's unit.
QUERIES = {
    "calls": ("count", 1.0),
    "exec_time_ms": ("time", 1e-6),
    "rows": ("rows", 1.0),
    "shared_blks_hit": ("shared_blks_hit", 1.0),
}
OPERATION = "trace.credit.operation"
STATEMENT = "trace.postgres.query"
MOST_SAMPLES = 1_000


class DatadogAccount(Datadog):
    """A Datadog account, and the intake's copy for data that no API has.

    `api` must be open while this is used. The first error of the API is kept in `trouble`, and ends its use.
    """

    def __init__(
        self, settings: LabSettings, window: Window, aligned: Window, account: Account, api: Api
    ) -> None:
        super().__init__(settings, window, aligned)
        self._account = account
        self._api = api
        self._until_s = window.now_ns // NS_PER_S
        self._since_s = window.since_ns // NS_PER_S
        self._found: dict[str, list[DatadogSeries]] = {}

    @property
    def source(self) -> str:
        """What this column is read from."""
        return (
            f"the API of {self._account.site}; sessions, settings, schema"
            " and spans of statements from the intake's copy"
        )

    def statement(self, queryids: set[int], column: str) -> Observed | None:
        """Return the growth of a column of the application's statements."""
        wanted = {d.signature for d in self.deltas if d.queryid in queryids}
        return self._queries(
            column,
            f"user:{APPLICATION}",
            lambda series: series.tags.get("query_signature") in wanted,
        )

    def role(self, role: str, column: str) -> Observed | None:
        """Return the growth of a column of all statements of a role."""
        return self._queries(column, f"user:{role}", lambda _: True)

    def counter(self, asked: Metric) -> Observed | None:
        """Return the growth of a metric over all its series."""
        # A `rate` of the check is a gauge of the account, to which as_count() does nothing.
        is_rate = KEPT_METRICS.get(asked.name) is CheckType.RATE
        found = self._asked(self._query(asked, "" if is_rate else ".as_count()"))
        return self._observed(found, asked.name, scale=asked.scale, is_rate=is_rate)

    def gauge(self, asked: Metric) -> tuple[Answer, Moment] | None:
        """Return the newest value of a gauge, and its time."""
        found = [one for one in self._asked(self._query(asked)) if one.points]
        if not found:
            return None
        newest = max(one.points[-1][0] for one in found)
        current = [one for one in found if one.points[-1][0] == newest]
        begin_ns, end_ns = (round(at * NS_PER_S) for at in (newest, newest + current[0].interval_s))
        answer = Answer(
            value=asked.scale * sum(one.points[-1][1] for one in current),
            age_s=round((self.window.now_ns - end_ns) / NS_PER_S, 1),
            resolution_s=current[0].interval_s,
            where=self._link(asked.name),
        )
        return answer, Moment(early_ns=begin_ns, late_ns=end_ns)

    def values(self, asked: Metric) -> Sequence[tuple[int, float]]:
        """Return the sums of a metric's series over time."""
        return _summed(self._asked(self._query(asked)), asked.scale)

    def operations(self, service: str, *, errors: bool = False) -> Observed | None:
        """Return the number of a service's operations, or of those that failed, by trace metrics."""
        name = f"{OPERATION}.{'errors' if errors else 'hits'}"
        found = self._asked(f"sum:{name}{{service:{service}}}.as_count()")
        if errors and not found and not self.trouble:
            # Without an error there is no series of errors.
            hits = self.operations(service)
            return hits and replace(hits, value=0.0, points=())
        return self._observed(found, name, is_rate=False)

    def statements(self) -> Observed | None:
        """Return the number of statements of all services."""
        name = f"{STATEMENT}.hits"
        return self._observed(self._asked(f"sum:{name}{{*}}.as_count()"), name, is_rate=False)

    def mean_ms(self, services: Sequence[str]) -> float | None:
        """Return the mean duration of the operations of services, in milliseconds."""
        scope = " OR ".join(f"service:{name}" for name in services)
        values = _values(self._asked(f"avg:{OPERATION}{{{scope}}}"))
        return 1000 * sum(values) / len(values) if values else None

    def quantile_ms(self, service: str, q: float) -> Answer | None:
        """Return the mean of the intervals' quantiles of a service's operations."""
        found = self._asked(f"p{100 * q:.0f}:{OPERATION}{{service:{service}}}")
        values = _values(found)
        if not values:
            return None
        value = 1000 * sum(values) / len(values)
        return self.answer(value, resolution_s=found[0].interval_s, at_ns=_newest_ns(found))

    def callers(self, name: str) -> set[str]:
        """Return the services of a statement's samples, plans and spans."""
        signatures = self._signatures(name)
        found = {one.service for one in self._samples if one.signature in signatures}
        return {service for service in found if service} | self.spans.callers(name)

    def plan_shapes(self, name: str) -> set[str]:
        """Return the signatures of a statement's plans."""
        signatures = self._signatures(name)
        return {one.plan for one in self._samples if one.signature in signatures and one.plan}

    def explained(self) -> set[str]:
        """Return the signatures of the statements with a plan."""
        return {one.signature for one in self._samples if one.plan and one.signature}

    @cached_property
    def _samples(self) -> list[Sample]:
        if self.trouble:
            return []
        try:
            return self._api.samples(
                f"host:{HOST}", since_s=self._since_s, until_s=self._until_s, limit=MOST_SAMPLES
            )
        except LabError as error:
            self.trouble = str(error)
            return []

    def _signatures(self, name: str) -> set[str]:
        """Return the signatures of a statement: those that the copy's plans and samples have for its name."""
        plans = {one.signature for one in self.plans if one.statement == name}
        sampled = {one.signature for one in self.activity if one.statement == name}
        return {signature for signature in plans | sampled if signature}

    def _queries(
        self, column: str, scope: str, belongs: Callable[[DatadogSeries], bool]
    ) -> Observed | None:
        name, factor = QUERIES[column]
        metric = f"postgresql.queries.{name}"
        query = f"sum:{metric}{{host:{HOST},{scope}}} by {{query_signature}}.as_count()"
        found = [series for series in self._asked(query) if belongs(series)]
        return self._observed(found, metric, scale=factor, is_rate=False)

    def _query(self, asked: Metric, suffix: str = "") -> str:
        scope = ",".join((f"host:{HOST}", *asked.tags))
        return f"sum:{asked.name}{{{scope}}}{suffix}"

    def _observed(
        self, found: Sequence[DatadogSeries], metric: str, *, scale: float = 1.0, is_rate: bool
    ) -> Observed | None:
        """Return what points add up to. They are of Datadog's intervals, not of the moments of the check."""
        series = [one for one in found if one.points]
        if not series:
            return None
        every_s = series[0].interval_s
        first = round(min(one.points[0][0] for one in series) * NS_PER_S)
        last = _newest_ns(series)
        total = sum(value for one in series for _, value in one.points)
        step_ns = round(every_s * NS_PER_S)
        return Observed(
            first=Moment(early_ns=first - step_ns, late_ns=first + step_ns),
            last=Moment(early_ns=last - 2 * step_ns, late_ns=last),
            raw=None,
            value=scale * total * (every_s if is_rate else 1.0),
            newest_ns=last,
            resolution_s=interval_s([round(at * NS_PER_S) for at, _ in series[0].points])
            or every_s,
            where=self._link(metric),
            points=_summed(series, scale if is_rate else scale / every_s),
        )

    def _asked(self, query: str) -> list[DatadogSeries]:
        if self.trouble:
            return []
        if query not in self._found:
            try:
                self._found[query] = self._api.series(
                    query, since_s=self._since_s, until_s=self._until_s
                )
            except LabError as error:
                self.trouble = str(error)
                return []
        return self._found[query]

    def _link(self, metric: str) -> str:
        return f"{self._account.web_url}/metric/explorer?exp_metric={metric}"


def _values(found: Sequence[DatadogSeries]) -> list[float]:
    return [value for one in found for _, value in one.points]


def _summed(found: Sequence[DatadogSeries], scale: float) -> tuple[tuple[int, float], ...]:
    tracks = ([(round(at * NS_PER_S), value) for at, value in one.points] for one in found)
    return summed(tracks, scale)


def _newest_ns(found: Sequence[DatadogSeries]) -> int:
    """When the last point ends: Datadog stamps each with the beginning of its interval."""
    ends = [one.points[-1][0] + one.interval_s for one in found if one.points]
    return round(max(ends, default=0.0) * NS_PER_S)
