"""Three-valued result of a check (ok, failed, unknown), and the exit status of a command that checks.

Every command that checks something uses it: verify, doctor, compare, status and drill. A check without
data is unknown, and unknown is never ok.
"""

from collections.abc import Iterable
from enum import StrEnum


class Outcome(StrEnum):
    """Result of one check, or of several of them."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, ok: bool | None) -> "Outcome":
        """Return the outcome for True, False, and None (no data)."""
        if ok is None:
            return cls.UNKNOWN
        return cls.OK if ok else cls.FAILED

    @classmethod
    def worst(cls, outcomes: Iterable["Outcome"]) -> "Outcome":
        """Return FAILED if one failed, else UNKNOWN if one is unknown or there is none at all.

        >>> Outcome.worst([Outcome.OK, Outcome.UNKNOWN]).exit_status
        2
        >>> Outcome.worst([])
        <Outcome.UNKNOWN: 'unknown'>
        """
        found = set(outcomes)
        if cls.FAILED in found:
            return cls.FAILED
        return cls.OK if found == {cls.OK} else cls.UNKNOWN

    @property
    def ok(self) -> bool | None:
        """True, False, or None for unknown: `"ok"` of every JSON document."""
        return None if self is Outcome.UNKNOWN else self is Outcome.OK

    @property
    def exit_status(self) -> int:
        """0 for ok, 1 for failed, 2 for unknown."""
        return {Outcome.OK: 0, Outcome.FAILED: 1, Outcome.UNKNOWN: 2}[self]
