"""Runs one operation: span, retries, the ambiguous commit, and the metrics at the end.

An operation whose connection was lost may have been committed. Its audit row shows that: the
runner looks up the operation id before a retry, and reads the figures from there. If the
first attempt's commit is still under way at that moment, the second attempt waits on the unique index of
audit_log and is rejected there; the operation is then done as well.
"""

import logging
import random
import threading
from functools import cache, partial
from time import monotonic
from uuid import UUID

from workload.database import (
    ConnectionLostError,
    ContentionError,
    Database,
    PoolTimeoutError,
    StatementFailedError,
    UnreachableError,
)
from workload.errors import WorkloadError
from workload.metrics import Metrics
from workload.operation import Call, Facts, Operation, Outcome, Result, Service
from workload.reference import Reference
from workload.retry import Retries
from workload.settings import Settings
from workload.tally import Tally
from workload.tracing import Span, Tracing

log = logging.getLogger(__name__)

# Errors that a retry may fix.
RETRIED = (ContentionError, UnreachableError, ConnectionLostError)
# A delay expires, in case its caller was killed.
DELAY_EXPIRES_S = 300.0


class Runner:
    """Runs operations of one service; called from many threads."""

    def __init__(
        self,
        service: Service,
        *,
        settings: Settings,
        instance: UUID,
        database: Database,
        metrics: Metrics,
        tracing: Tracing,
        stop: threading.Event,
    ) -> None:
        self._service = service.dd_service
        self._settings = settings
        self._instance = instance
        self._database = database
        self._tracing = tracing
        self._stop = stop
        self._random = random.Random(settings.workload_random_seed)
        self._reference = Reference(database, self._random)
        self._delay_s = 0.0
        self._delayed_until = 0.0
        self._tally_of = cache(partial(Tally, metrics, self._service))
        for operation in service.operations:
            self._tally_of(operation.name)

    @property
    def delay_s(self) -> float:
        """Delay of each operation before its first statement, in seconds."""
        return self._delay_s if self._delay_s and monotonic() < self._delayed_until else 0.0

    def set_delay(self, seconds: float) -> None:
        """Set the delay, for a drill; 0 ends it."""
        self._delay_s, self._delayed_until = seconds, monotonic() + DELAY_EXPIRES_S

    def run(self, operation: Operation) -> Result:
        """Run one operation, count it, and return its result; errors are results, too."""
        started = monotonic()
        tally = self._tally_of(operation.name)
        with self._tracing.operation(self._service, operation.name) as span:
            try:
                if delay_s := self.delay_s:
                    self._stop.wait(delay_s)
                result = self._attempt(operation, tally, span)
            except WorkloadError as error:
                result = self._failed(operation, span, error)
            except Exception as error:  # noqa: BLE001 - a worker thread must outlive any operation
                result = self._failed(operation, span, error, exc_info=True)
            span.tag(result.outcome, result.tags)
            tally.ended(result, monotonic() - started, span.ids)
        return result

    def _attempt(self, operation: Operation, tally: Tally, span: Span) -> Result:
        call = Call(
            service=self._service,
            operation=operation.name,
            instance=self._instance,
            random=self._random,
            settings=self._settings,
            database=self._database,
            reference=self._reference,
            span=span,
        )
        try:
            return operation.run(call)
        except RETRIED as error:
            failed = error
        return self._try_again(operation, call, tally, failed)

    def _try_again(
        self, operation: Operation, call: Call, tally: Tally, error: WorkloadError
    ) -> Result:
        retries = Retries(rng=self._random, stop=self._stop, counted=tally.retried)
        in_doubt = False
        while True:
            if isinstance(error, ContentionError):
                again = retries.after_contention()
            else:
                in_doubt |= operation.writes and isinstance(error, ConnectionLostError)
                again = retries.after_lost_connection(in_doubt=in_doubt)
            if not again:
                raise error
            try:
                if in_doubt and (done := self._find(call)):
                    return done
                return operation.run(call)
            except RETRIED as another:
                error = another
            except PoolTimeoutError as busy:
                # First find out whether the first attempt was committed.
                if not in_doubt:
                    raise
                error = busy
            except StatementFailedError as refused:
                if in_doubt and refused.is_unique_violation and (done := self._find(call)):
                    return done
                raise

    def _find(self, call: Call) -> Result | None:
        with call.autocommit() as session:
            row = session.row("find_operation", operation_id=call.operation_id)
        return Result(facts=Facts.from_detail(row[0]), tags={"credit.resolved": 1}) if row else None

    def _failed(
        self, operation: Operation, span: Span, error: Exception, *, exc_info: bool = False
    ) -> Result:
        span.fail(error)
        fields = {"operation": operation.name, **(span.ids.labels() if span.ids else {})}
        log.error("%s", error, extra={"fields": fields}, exc_info=exc_info)
        return Result(outcome=Outcome.ERROR)
