"""What is counted when an operation ends: its metrics, looked up once.

To look a metric up by its labels costs as much as to count, and an operation counts half a dozen.
"""

from workload.metrics import Metrics
from workload.operation import STATUSES, Outcome, Result
from workload.retry import REASONS


class Tally:
    """The metrics of one operation of one service; each of them is there from now on, at zero."""

    def __init__(self, metrics: Metrics, service: str, operation: str) -> None:
        labels = {"service": service, "operation": operation}
        self._ended = {
            outcome: metrics.counter("credit_operations", outcome=outcome.value, **labels)
            for outcome in Outcome
        }
        self._duration = metrics.histogram("credit_operation_duration_seconds", **labels)
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

    def ended(self, result: Result, seconds: float, exemplar: dict[str, str] | None) -> None:
        """Count an operation that came to its end after so many seconds, retries included."""
        self._ended[result.outcome].inc()
        self._duration.observe(seconds, exemplar)
        facts = result.facts
        if facts.proposal:
            self._proposals[facts.proposal].inc()
        if facts.disbursed:
            self._disbursed.inc(float(facts.disbursed))
        if facts.paid:
            self._paid.inc(float(facts.paid))

    def retried(self, reason: str) -> None:
        """Count an attempt that is made again, for one of REASONS."""
        self._retries[reason].inc()
