"""What the doctor says: one check after the other, and the report that holds them."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from lab.foundation.outcome import Outcome


class Status(StrEnum):
    """The three things a check can find; unknown is never counted as either of the others."""

    OK = "ok"
    MISSING = "missing"
    UNKNOWN = "unknown"

    @property
    def outcome(self) -> Outcome:
        """The same in the words of every command that checks."""
        return Outcome.FAILED if self is Status.MISSING else Outcome(self.value)


class Then(StrEnum):
    """What must happen after the statements of a fix before they have their effect."""

    NOTHING = "nothing"
    RELOAD = "reload"
    RECONNECT = "new sessions"
    RESTART = "restart"


@dataclass(frozen=True, kw_only=True)
class Fix:
    """How to put one thing right.

    Attributes:
        statements: SQL to run one by one, outside a transaction, in the examined database, by a
            superuser or the owner of what they change; empty when SQL cannot do it.
        conf: the same as lines of postgresql.conf (or of a managed service's parameters).
        then: what has to follow.
        after: the name of the check that has to be fixed first.
        note: what a person must know besides.
    """

    statements: tuple[str, ...] = ()
    conf: str = ""
    then: Then = Then.NOTHING
    after: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that an observer needs.

    Attributes:
        name: stable, for programs.
        title: the need, in words.
        found: what there is instead, or what shows that all is well.
        impact: what nobody sees without it.
        fix: None when nothing is to be done.
    """

    name: str
    title: str
    status: Status
    found: str
    impact: str
    fix: Fix | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """All checks of one database, as seen by one role."""

    server_version: str
    database: str
    role: str
    is_standby: bool
    checks: tuple[Check, ...]

    @property
    def missing(self) -> tuple[Check, ...]:
        """The checks that found something missing."""
        return tuple(c for c in self.checks if c.status is Status.MISSING)

    @property
    def outcome(self) -> Outcome:
        """Failed when anything is missing; else unknown when a check could not be made; else ok."""
        return Outcome.worst(check.status.outcome for check in self.checks)

    @property
    def why_unknown(self) -> tuple[str, ...]:
        """For each check that could not be made its name and the reason."""
        unknown = (check for check in self.checks if check.status is Status.UNKNOWN)
        return tuple(f"{check.name}: {check.found}" for check in unknown)

    @property
    def exit_status(self) -> int:
        """0 for ok, 1 when anything is missing, 2 when nothing is but something is unknown."""
        return self.outcome.exit_status

    def to_json(self) -> dict[str, Any]:
        """For `doctor --json`: plain values only; "ok" is null when the result is unknown."""
        outcome = self.outcome
        return {
            "ok": outcome.ok,
            "result": outcome.value,
            "why_unknown": list(self.why_unknown),
            **asdict(self),
        }
