"""The base of every signal: when a value counts as risen."""

from dataclasses import dataclass

from lab.judge.evidence import Evidence, Truth


@dataclass(frozen=True, kw_only=True)
class BaseSignal:
    """A value that rises above `above`, and above `times` the largest value just before the fault.

    `points` values in a row must be above: one heavy report in ten seconds is no fault.
    """

    says: str
    above: float
    times: float = 2.0
    points: int = 1

    def doubt(self, evidence: Evidence, truth: Truth) -> str | None:
        """Return why the absence of a rise is no evidence; None when it is."""
        del evidence, truth
        return None
