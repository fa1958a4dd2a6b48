"""The three sides that are asked: the truth, Prometheus, and what Datadog's Agent sent."""

import time
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

from lab import database
from lab.compare.answers import Answer
from lab.database import Role
from lab.judge.prometheus import Prometheus as Server
from lab.paths import Paths
from lab.settings import LabSettings
from lab.store import ActivitySample, Plan, QueryMetrics, Reader, Snapshot, Source, Span, StoreError

NS = 1_000_000_000
READ_WITHIN_S = 15.0
MOST = 300_000
SENT = f"source IN ('{Source.AGENT}', '{Source.EMBEDDED}')"
NAMES = """
SELECT queryid, substring(query FROM 'statement=''([a-z_]+)''[*]/') FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND queryid IS NOT NULL"""


class Truth:
    """The application's own counters, and PostgreSQL's own views, asked as the role `lab`.

    The counters' history is read where Prometheus keeps what it scraped from the services: the raw samples,
    so both ends of the window are moments at which the application itself was asked.
    """

    def __init__(self, settings: LabSettings, since_s: float) -> None:
        self._settings = settings
        self._server = Server.of(settings)
        self.window_s = since_s

    def ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query that only looks.

        Raises:
            DatabaseError: when PostgreSQL does not answer.
        """
        target = database.dsn(self._settings, Role.LAB)
        with database.connect(target, application_name="credit-lab") as connection:
            return database.rows(connection, sql, parameters or None)

    def value(self, sql: str) -> float:
        """Return the one number of a query that only looks."""
        [[value]] = self.ask(sql)
        return float(value or 0)

    def grown(self, counter: str, label: str) -> dict[str, float]:
        """Return by how much a counter of the application has grown in the window, by a label."""
        grown: defaultdict[str, float] = defaultdict(float)
        for labels, points in self._server.raw(counter, window_s=self.window_s):
            values = [value for _, value in points]
            # A counter that is lower than before belongs to a process that has started anew.
            steps = pairwise(values)
            grown[labels.get(label, "")] += sum(b - a if b >= a else b for a, b in steps)
        return dict(grown)

    def names(self) -> dict[int, str]:
        """Return the workload's name of each statement, by queryid."""
        return {queryid: name for queryid, name in self.ask(NAMES) if name}


class Seen:
    """What the lab itself keeps: the spans of the services, and PostgreSQL's own log."""

    def __init__(self, settings: LabSettings, since_s: float) -> None:
        self._reader = Reader(Paths.of(settings).store, timeout_s=READ_WITHIN_S)
        self._since_ns = time.time_ns() - round(since_s * NS)

    def slowest_statement(self) -> Span | None:
        """Return the longest span of a statement that the application has measured."""
        found = self._reader.select(
            Span,
            "kind = 'sql' AND start_ns >= ?",
            [self._since_ns],
            order="duration_ns DESC",
            limit=1,
        )
        return found[0] if found else None

    def executed_plans(self, statement: str) -> int:
        """Return how many executed plans of a statement the log has told of."""
        condition = "executed AND statement = ? AND at_ns >= ?"
        return len(self._reader.select(Plan, condition, [statement, self._since_ns]))


class Prometheus:
    """What can be asked of Prometheus."""

    def __init__(self, settings: LabSettings) -> None:
        self._server = Server.of(settings)

    def by_label(self, expr: str, label: str) -> dict[str, float]:
        """Return the value of each series now, by a label."""
        return {labels.get(label, ""): value for labels, value in self._server.now(expr)}

    def ask(self, expr: str) -> Answer:
        """Return the sum of an expression now."""
        found = self._server.now(expr)
        if not found:
            return Answer(why_not="no such series", where=self._link(expr))
        return self.answer(sum(value for _, value in found), expr)

    def answer(self, value: float | str, expr: str = "pg_up") -> Answer:
        """Return an answer with the age of the exporter's last scrape."""
        return Answer(value=value, age_s=self._age_s, resolution_s=10.0, where=self._link(expr))

    @cached_property
    def _age_s(self) -> float | None:
        scraped = [value for _, value in self._server.now("timestamp(pg_up)")]
        return round(time.time() - max(scraped), 1) if scraped else None

    def _link(self, expr: str) -> str:
        return self._server.link(expr)


class Datadog:
    """What the Agent, or the embedded agent, sent in the window."""

    def __init__(self, settings: LabSettings, since_s: float) -> None:
        self._reader = Reader(Paths.of(settings).store, timeout_s=READ_WITHIN_S)
        self._since_ns = time.time_ns() - round(since_s * NS)
        self._console = f"http://{settings.bind_address}:{settings.console_port}"

    @property
    def source(self) -> str:
        """What this column is read from."""
        sources = {delta.source for delta in self.deltas()}
        if Source.AGENT in sources:
            return "the intake: what the Datadog Agent sent"
        return (
            "the intake: embedded agent, not Datadog's" if sources else "the intake: nothing came"
        )

    def deltas(self) -> list[QueryMetrics]:
        """Return the deltas of all statements."""
        return self._window(QueryMetrics)

    @cached_property
    def activity(self) -> list[ActivitySample]:
        """The looks at the sessions."""
        return self._window(ActivitySample)

    @property
    def last_look(self) -> list[ActivitySample]:
        """The sessions of the last look at them."""
        last = max((sample.at_ns for sample in self.activity), default=0)
        return [sample for sample in self.activity if sample.at_ns == last]

    def snapshot(self, kind: str) -> Snapshot | None:
        """Return the latest settings or schema that were sent."""
        found = self._reader.select(Snapshot, "kind = ?", [kind], order="at_ns DESC", limit=1)
        return found[0] if found else None

    def tables(self) -> list[Snapshot]:
        """Return the tables of the schema that were sent, the freshest first."""
        return self._reader.select(Snapshot, "kind LIKE 'table %'", order="at_ns DESC")

    def plans(self) -> list[Plan]:
        """Return the estimated plans that were sent."""
        return self._window(Plan)

    def answer(
        self, value: float | str, *, resolution_s: float, at_ns: int | None = None
    ) -> Answer:
        """Return an answer with the age of what it rests on."""
        newest = at_ns or max((delta.at_ns for delta in self.deltas()), default=None)
        age_s = None if newest is None else round((time.time_ns() - newest) / NS, 1)
        return Answer(value=value, age_s=age_s, resolution_s=resolution_s, where=self._console)

    def _window(self, record: type[Any]) -> list[Any]:
        condition = f"at_ns >= ? AND {SENT}"
        try:
            return self._reader.select(
                record, condition, [self._since_ns], order="at_ns", limit=MOST
            )
        except StoreError:
            return []
