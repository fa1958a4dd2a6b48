"""The metrics of a completed operation, looked up once.

The lookup of a metric by its labels costs as much as the count, and an operation has six metrics.
"""

from workload.exemplars import SpanIds
from workload.metrics import Metrics
from workload.operation import NO_FACTS, STATUSES, Facts, Outcome, Result
from workload.retry import REASONS


class Tally:
    """The metrics of one operation of one service; each is created at zero."""

    def __init__(self, metrics: Metrics, service: str, operation: str) -> None:
        labels = {"service": service, "operation": operation}
        self._ended = {
            outcome: metrics.counter("credit_operations", outcome=outcome.value, **labels)
            for outcome in Outcome
        }
        self._duration = metrics.histogram("credit_operation_duration_seconds", **labels)
        self._error_clock = metrics.clocks.of(service, "error", operation)
        self._retries = {
            reason: metrics.counter("credit_operation_retries", reason=reason, **labels)
            for reason in REASONS
        }
        self._proposals = {
            status: metrics.counter("credit_proposals", service=service, status=status)
            for status in STATUSES
        }
        self._disbursed = metrics.counter("credit_disbursed_brl", service=service)
        self._paid = metrics.counter("credit_paid_brl", service=service)

    def ended(self, result: Result, seconds: float, ids: SpanIds | None) -> None:
        """Count an operation that ended after the given seconds, retries included."""
        self._ended[result.outcome].inc()
        self._duration.observe(seconds, ids)
        if result.outcome is Outcome.ERROR:
            self._error_clock.observe(seconds)
        if result.facts is not NO_FACTS:
            self._count(result.facts)

    def _count(self, facts: Facts) -> None:
        if facts.proposal:
            self._proposals[facts.proposal].inc()
        if facts.disbursed:
            self._disbursed.inc(float(facts.disbursed))
        if facts.paid:
            self._paid.inc(float(facts.paid))

    def retried(self, reason: str) -> None:
        """Count a retry, for one of REASONS."""
        self._retries[reason].inc()
