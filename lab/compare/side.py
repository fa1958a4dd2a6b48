"""Two sides of a comparison: Prometheus, and PostgreSQL as queried now by the lab.

A side that does not answer keeps the reason in `trouble`, is not queried again, and has no answers.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from itertools import pairwise
from statistics import median
from typing import Any

from lab.clients import database
from lab.clients.database import Role
from lab.clients.prometheus import Prometheus, PrometheusError, Series
from lab.compare.answers import Answer, cannot
from lab.compare.readings import Moment, continued
from lab.compare.stages import Observed, Window
from lab.drilldown.links import Links
from lab.foundation.errors import DatabaseError
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S

READ_WITHIN_S = 15.0
# It may read all statistics, and no row of the application.
LEAST = "pg_monitor"
# Prometheus may move the time of a scrape by this much to store it in less space.
ALIGNED_NS = 5_000_000
NAMES = """
SELECT queryid, substring(query FROM 'statement=''([a-z_]+)''[*]/') FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND queryid IS NOT NULL"""


class PrometheusSide:
    """The answers of Prometheus at the end of a window."""

    def __init__(self, settings: LabSettings, window: Window) -> None:
        self._server = Prometheus.of(settings, timeout_s=READ_WITHIN_S)
        self._links = Links.of(settings)
        self.window = window
        self.trouble: str | None = None

    def by_label(self, expr: str, label: str) -> dict[str, float]:
        """Return the value of each series by a label."""
        return {series.labels.get(label, ""): series.value for series in self.now(expr)}

    def counter(self, selector: str) -> Observed | None:
        """Return the growth of the sum of a selector's series, as `increase()` answers it.

        None when it has fewer than two samples in the window.
        """
        series = [one for one in self.raw(selector) if len(one.points) > 1]
        if not series:
            return None
        first = min(one.points[0][0] for one in series)
        last = max(one.points[-1][0] for one in series)
        values = (continued([value for _, value in one.points]) for one in series)
        expr = f"increase({selector}[{self.window.seconds:.0f}s])"
        late_ns = self._scrape_ns.get(series[0].labels.get("job", ""), NS_PER_S)
        return Observed(
            first=Moment(early_ns=first - ALIGNED_NS, late_ns=first + late_ns),
            last=Moment(early_ns=last - ALIGNED_NS, late_ns=last + late_ns),
            raw=sum(one[-1] - one[0] for one in values),
            value=sum(one.value for one in self.now(expr)),
            newest_ns=last,
            resolution_s=interval_s([at_ns for at_ns, _ in series[0].points]),
            where=self._links.expression(expr),
            points=rates(summed(one.points for one in series)),
        )

    def gauge(self, selector: str) -> tuple[Answer, Moment] | None:
        """Return the sum of a selector's newest samples, and the time of their scrape."""
        series = self.raw(selector)
        if not series:
            return None
        last = max(one.points[-1][0] for one in series)
        current = [one for one in series if one.points[-1][0] > last - NS_PER_S]
        late_ns = self._scrape_ns.get(series[0].labels.get("job", ""), NS_PER_S)
        times = [at_ns for at_ns, _ in max((one.points for one in series), key=len)]
        found = Answer(
            value=sum(one.value for one in current),
            age_s=round((self.window.now_ns - last) / NS_PER_S, 1),
            resolution_s=interval_s(times),
            where=self._links.expression(selector),
            points=summed(one.points for one in series),
        )
        return found, Moment(early_ns=last - ALIGNED_NS, late_ns=last + late_ns)

    def raw(self, selector: str) -> list[Series]:
        """Return each series of a selector with its samples in the window."""
        window_s = max(self.window.seconds, 1.0)
        ask = partial(self._server.raw, selector, window_s=window_s, at_ns=self.window.now_ns)
        return self._asked(ask)

    def ask(self, expr: str) -> Answer:
        """Return the sum of an expression; WINDOW in it is the window's length."""
        expr = expr.replace("WINDOW", f"{self.window.seconds:.0f}s")
        found = self.now(expr)
        if self.trouble:
            return cannot(self.trouble)
        if not found:
            return Answer(why_not="no such series", where=self._links.expression(expr))
        return self.answer(sum(series.value for series in found), expr)

    def answer(self, value: float | str, expr: str = "pg_up") -> Answer:
        """Return an answer with the age of the exporter's last scrape."""
        where = self._links.expression(expr)
        return Answer(value=value, age_s=self._age_s, resolution_s=self._every_s, where=where)

    def now(self, expr: str) -> list[Series]:
        """Return each series of an expression at the end of the window."""
        return self._asked(partial(self._server.now, expr, at_ns=self.window.now_ns))

    def exemplars(self, metric: str) -> int | None:
        """Return the number of different traces that a metric's exemplars link to; None when it has none."""
        if self.trouble:
            return None
        window = self.window
        try:
            found = self._server.exemplars(metric, since_ns=window.since_ns, until_ns=window.now_ns)
        except PrometheusError as error:
            self.trouble = str(error)
            return None
        return len(found) or None

    def retention_days(self) -> float | None:
        """Return how long the server keeps samples; None when it does not report it."""
        if self.trouble:
            return None
        try:
            return self._server.retention_s() / 86_400
        except PrometheusError:
            return None

    @cached_property
    def oldest_ns(self) -> int | None:
        """When the exporter was scraped first, as far as the server has kept it and within the window."""
        first = [one.points[0][0] for one in self.raw("pg_up") if one.points]
        return min(first, default=None)

    @cached_property
    def _up_ns(self) -> Sequence[int]:
        return [at_ns for one in self.raw("pg_up") for at_ns, _ in one.points]

    @property
    def _age_s(self) -> float | None:
        newest = max(self._up_ns, default=None)
        return None if newest is None else round((self.window.now_ns - newest) / NS_PER_S, 1)

    @property
    def _every_s(self) -> float | None:
        return interval_s(self._up_ns)

    @cached_property
    def _scrape_ns(self) -> dict[str, int]:
        """The longest scrape of each job: a value is read between its beginning and its end."""
        window = f"{self.window.seconds:.0f}s"
        found = self.by_label(
            f"max by (job) (max_over_time(scrape_duration_seconds[{window}]))", "job"
        )
        return {job: round(seconds * NS_PER_S) for job, seconds in found.items()}

    def _asked(self, ask: Callable[[], list[Series]]) -> list[Series]:
        if self.trouble:
            return []
        try:
            return ask()
        except PrometheusError as error:
            self.trouble = str(error)
            return []


def interval_s(times_ns: Sequence[int]) -> float | None:
    """Return the usual time between two points, in seconds; None for fewer than two."""
    steps = [after - before for before, after in pairwise(times_ns)]
    return round(median(steps) / NS_PER_S, 1) if steps else None


def summed(
    tracks: Iterable[Sequence[tuple[int, float]]], scale: float = 1.0
) -> tuple[tuple[int, float], ...]:
    """Return the sums of the values at the same moments, in order of time, times a factor."""
    found: dict[int, float] = {}
    for track in tracks:
        for at_ns, value in track:
            found[at_ns] = found.get(at_ns, 0.0) + scale * value
    return tuple(sorted(found.items()))


def rates(totals: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """Return the growth per second between two points, at the later one's time."""
    return tuple(
        (after, (value - before_value) * NS_PER_S / (after - before))
        for (before, before_value), (after, value) in pairwise(totals)
        if after > before and value >= before_value
    )


class TruthSide:
    """PostgreSQL itself, queried now as `lab` with pg_monitor's privileges."""

    def __init__(self, settings: LabSettings) -> None:
        self._target = database.dsn(settings, Role.LAB)
        self.database = settings.postgres_db
        self.trouble: str | None = None

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a read-only query; none when PostgreSQL does not answer."""
        if self.trouble:
            return []
        try:
            with (
                database.connect(self._target) as connection,
                database.read_only(connection, role=LEAST, statement_timeout_s=READ_WITHIN_S),
            ):
                return database.rows(connection, sql)
        except DatabaseError as error:
            self.trouble = str(error)
            return []

    def answer(self, sql: str, *, where: str = "./creditlab psql") -> Answer:
        """Return the one number of a read-only query."""
        found = self.ask(sql)
        if self.trouble:
            return cannot(self.trouble)
        return Answer(value=float(found[0][0] or 0), age_s=0.0, where=where)

    @cached_property
    def names(self) -> dict[int, str]:
        """The workload's name of each statement, by queryid."""
        return {queryid: name for queryid, name in self.ask(NAMES) if name}
