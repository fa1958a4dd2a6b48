"""The drilldown of one lab, from its own sources: the store, Prometheus and PostgreSQL.

It returns traces, statements, executions and sessions to the console and the command line. Each call queries
the sources again, within time limits; the fields of an unavailable source are empty, with the reason.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from lab.clients.prometheus import Prometheus
from lab.drilldown import (
    executions,
    ids,
    index_advice,
    queries,
    query,
    report,
    sessions,
    trace,
    traces,
)
from lab.drilldown.errors import NotFoundError
from lab.drilldown.execution import StatementExecution
from lab.drilldown.links import Links
from lab.drilldown.queries import APPLICATION, By, QuerySummary
from lab.drilldown.query import Query
from lab.drilldown.report import TraceReport
from lab.drilldown.sessions import Sessions
from lab.drilldown.trace import Trace
from lab.drilldown.traces import Order, Search, TraceSummary
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.telemetry import redact
from lab.telemetry.store import Reader

HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Drilldown:
    """Queries of the drilldown; all methods raise StoreError when there is no store.

    Thread-safe. The calls block, for at most two seconds per source.
    """

    settings: LabSettings
    reader: Reader
    prometheus: Prometheus
    links: Links

    @classmethod
    def of(cls, settings: LabSettings) -> Self:
        """Return the drilldown of the lab with these settings; names are hashed as in its store."""
        with suppress(OSError):
            redact.use_file(Paths.of(settings).name_key, make=False)
        return cls(
            settings=settings,
            reader=Reader(Paths.of(settings).store),
            prometheus=Prometheus.of(settings),
            links=Links.of(settings),
        )

    def services(self) -> tuple[str, ...]:
        """Return the services of the traces' root spans."""
        return traces.services(self.reader)

    def operations(self, service: str) -> tuple[str, ...]:
        """Return a service's operations.

        Raises:
            LabError: when there is no such service, naming the nearest.
        """
        return traces.operations(self.reader, service)

    def search(self, wanted: Search) -> tuple[TraceSummary, ...]:
        """Return the traces that match a search.

        Raises:
            LabError: when there is no such service, naming the nearest.
        """
        return traces.search(self.reader, wanted)

    def trace(self, trace_id: str) -> Trace:
        """Return a trace as a waterfall.

        Raises:
            NotFoundError: when the store does not have it.
        """
        return trace.trace(self.reader, trace_id)

    def executions(self, of: Trace | str) -> tuple[StatementExecution, ...]:
        """Return every statement execution of a trace, or of the trace with this id.

        Raises:
            NotFoundError: when the store does not have it.
        """
        return executions.executions(self.reader, of)

    def execution(self, of: Trace | str, span_id: str) -> StatementExecution:
        """Return the execution that belongs to a span of a trace, or of the trace with this id.

        Raises:
            NotFoundError: when the store does not have it, or when the span is not of a statement.
        """
        return executions.execution(self.reader, of, span_id)

    def report(self, key: str, service: str | None = None) -> TraceReport:
        """Return a trace with every statement explained: what `./creditlab trace` prints.

        Args:
            key: `slowest` (of the last hour), a trace id, or a traceparent, which selects one span.
            service: the service of the slowest trace's root span.

        Raises:
            MalformedIdError: when it is none of these.
            NotFoundError: when the store has no such trace.
            LabError: when there is no such service, naming the nearest.
        """
        if key != ids.SLOWEST:
            ref = ids.parse(key)
            return self._report(ref.trace_id, ref.span_id)
        hour_ago = clock.now() - HOUR
        slowest = Order.SLOWEST
        found = self.search(Search(service=service, since=hour_ago, order=slowest, limit=1))
        if not found:
            raise NotFoundError(
                f"The store has no trace {f'of {service} ' if service else ''}of the last hour.\n"
                "`./creditlab status` shows whether spans arrive."
            )
        return self._report(found[0].trace_id)

    def report_explained(self, since: datetime) -> TraceReport | None:
        """Return the slowest trace since then that has an executed plan or a lock wait; None without one."""
        found = traces.slowest_explained(self.reader, since=since)
        return self._report(found) if found else None

    def queries(
        self,
        by: By = By.TIME,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        role: str | None = APPLICATION,
        limit: int = 50,
    ) -> tuple[QuerySummary, ...]:
        """Return the top statements of a window, by default of the last hour."""
        end = until or clock.now()
        begin = since or end - HOUR
        return queries.top(self.reader, since=begin, until=end, by=by, role=role, limit=limit)

    def query(
        self,
        key: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        role: str | None = APPLICATION,
        advise: bool = False,
    ) -> Query:
        """Return one statement, by queryid or by name, over a window, by default the last hour.

        With `advise`, PostgreSQL plans it with hypothetical indexes.

        Raises:
            NotFoundError: when neither the store nor workload/sql/ has it, with the most similar name.
        """
        end = until or clock.now()
        begin = since or end - HOUR
        found = query.query(self.reader, self.prometheus, key, since=begin, until=end, role=role)
        if not advise or not found.queryids:
            return found
        return replace(found, advice=index_advice.advise(self.settings, found.queryids))

    def sessions(self) -> Sessions:
        """Return PostgreSQL's current sessions."""
        return sessions.live(self.settings)

    def _report(self, trace_id: str, span_id: str | None = None) -> TraceReport:
        found = self.trace(trace_id)
        return report.of(found, self.executions(found), self.links, span_id=span_id)
