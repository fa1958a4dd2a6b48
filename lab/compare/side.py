"""Three sides of a comparison: the truth, Prometheus, and the lab's own store.

A side that does not answer keeps the reason in `trouble`, is not queried again, and has no answers.
"""

from collections import defaultdict
from collections.abc import Callable
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

from lab.clients import database
from lab.clients.database import Role
from lab.clients.prometheus import Prometheus as Server
from lab.clients.prometheus import PrometheusError, Series
from lab.compare.answers import Answer, cannot
from lab.drilldown.links import Links
from lab.foundation import clock
from lab.foundation.errors import DatabaseError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.store import Plan, Reader, Span

READ_WITHIN_S = 15.0
# It may read all statistics, and no row of the application.
LEAST = "pg_monitor"
NAMES = """
SELECT queryid, substring(query FROM 'statement=''([a-z_]+)''[*]/') FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND queryid IS NOT NULL"""


class Prometheus:
    """The answers of Prometheus."""

    def __init__(self, settings: LabSettings) -> None:
        self._server = Server.of(settings, timeout_s=READ_WITHIN_S)
        self._links = Links.of(settings)
        self.trouble: str | None = None

    def by_label(self, expr: str, label: str) -> dict[str, float]:
        """Return the value of each series now, by a label."""
        return {series.labels.get(label, ""): series.value for series in self._now(expr)}

    def raw(self, selector: str, *, window_s: float) -> list[Series]:
        """Return each series of a selector with its raw samples of the last seconds."""
        return self._asked(partial(self._server.raw, selector, window_s=window_s))

    def ask(self, expr: str) -> Answer:
        """Return the sum of an expression now."""
        found = self._now(expr)
        if self.trouble:
            return cannot(self.trouble)
        if not found:
            return Answer(why_not="no such series", where=self._links.expression(expr))
        return self.answer(sum(series.value for series in found), expr)

    def answer(self, value: float | str, expr: str = "pg_up") -> Answer:
        """Return an answer with the age of the exporter's last scrape."""
        where = self._links.expression(expr)
        return Answer(value=value, age_s=self._age_s, resolution_s=10.0, where=where)

    @cached_property
    def _age_s(self) -> float | None:
        scraped = [series.value for series in self._now("timestamp(pg_up)")]
        return round(clock.now_s() - max(scraped), 1) if scraped else None

    def _now(self, expr: str) -> list[Series]:
        return self._asked(partial(self._server.now, expr))

    def _asked(self, ask: Callable[[], list[Series]]) -> list[Series]:
        if self.trouble:
            return []
        try:
            return ask()
        except PrometheusError as error:
            self.trouble = str(error)
            return []


class Truth:
    """The application's own counters, and PostgreSQL's own views, read as `lab` with pg_monitor's privileges.

    The counters' history is that of Prometheus' scrapes of the services, as raw samples: both ends of the
    window are scrapes of the application itself.
    """

    def __init__(self, settings: LabSettings, prometheus: Prometheus, since_s: float) -> None:
        self._target = database.dsn(settings, Role.LAB)
        self._counters = prometheus
        self.database = settings.postgres_db
        self.window_s = since_s
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

    def answer(self, sql: str, *, where: str = "") -> Answer:
        """Return the one number of a read-only query."""
        found = self.ask(sql)
        if self.trouble:
            return cannot(self.trouble)
        return Answer(value=float(found[0][0] or 0), age_s=0.0, where=where)

    def grown(self, counter: str, label: str) -> dict[str, float]:
        """Return the increase of a counter of the application in the window, by a label."""
        grown: defaultdict[str, float] = defaultdict(float)
        for series in self._counters.raw(counter, window_s=self.window_s):
            values = [value for _, value in series.points]
            # A counter that is lower than before belongs to a restarted process.
            steps = pairwise(values)
            grown[series.labels.get(label, "")] += sum(b - a if b >= a else b for a, b in steps)
        return dict(grown)

    def names(self) -> dict[int, str]:
        """Return the workload's name of each statement, by queryid."""
        return {queryid: name for queryid, name in self.ask(NAMES) if name}


class Seen:
    """The lab's own store: the spans of the services, and PostgreSQL's log."""

    def __init__(self, settings: LabSettings, since_s: float) -> None:
        self._reader = Reader(Paths.of(settings).store, timeout_s=READ_WITHIN_S)
        self._since_ns = clock.now_ns() - round(since_s * NS_PER_S)
        self._links = Links.of(settings)

    def trace_link(self, trace_id: str) -> str:
        """Return the link to a trace."""
        return self._links.trace(trace_id)["console"]

    def slowest_statement(self) -> Span | None:
        """Return the longest span of a statement, as measured by the application."""
        found = self._reader.select(
            Span,
            "kind = 'sql' AND start_ns >= ?",
            [self._since_ns],
            order="duration_ns DESC",
            limit=1,
        )
        return found[0] if found else None

    def executed_plans(self, statement: str) -> int:
        """Return the number of executed plans of a statement in the log."""
        condition = "executed AND statement = ? AND at_ns >= ?"
        return len(self._reader.select(Plan, condition, [statement, self._since_ns]))
