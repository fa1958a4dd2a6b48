"""The doctor's checks, the fix of each, and the report of all checks."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from lab.foundation.outcome import Outcome


class Status(StrEnum):
    """The result of a check; unknown is never counted as ok or as missing."""

    OK = "ok"
    MISSING = "missing"
    UNKNOWN = "unknown"

    @property
    def outcome(self) -> Outcome:
        """The same as an outcome of the commands that check something."""
        return Outcome.FAILED if self is Status.MISSING else Outcome(self.value)


class Need(StrEnum):
    """Whether an observer works at all without a requirement."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"


class Then(StrEnum):
    """What a fix needs after its statements to take effect."""

    NOTHING = "nothing"
    RELOAD = "reload"
    RECONNECT = "new sessions"
    RESTART = "restart"


@dataclass(frozen=True, kw_only=True)
class Fix:
    """How to fix one check.

    Attributes:
        statements: SQL to run one by one, outside a transaction, in the examined database, as a
            superuser or as the owner of the changed objects; empty when SQL cannot fix it.
        conf: the same as lines of postgresql.conf (or as parameters of a managed service).
        then: the step that is needed afterwards.
        after: the name of the check to fix first.
        note: further instructions.
    """

    statements: tuple[str, ...] = ()
    conf: str = ""
    then: Then = Then.NOTHING
    after: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One requirement of an observer, and whether the database meets it.

    Attributes:
        name: stable, for programs.
        title: the requirement, as text.
        found: the state of the database.
        impact: the data that are missing without it.
        need: whether an observer works at all without it.
        cost: what meeting the requirement costs a production server; empty when it costs nothing of note.
        fix: None when nothing is to be done.
    """

    name: str
    title: str
    status: Status
    found: str
    impact: str
    fix: Fix | None = None
    need: Need = Need.RECOMMENDED
    cost: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """All checks of one database, made as one role."""

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
        """Failed when a check is missing; else unknown when a check could not be made; else ok."""
        return Outcome.worst(check.status.outcome for check in self.checks)

    @property
    def why_unknown(self) -> tuple[str, ...]:
        """For each check that could not be made its name and the reason."""
        unknown = (check for check in self.checks if check.status is Status.UNKNOWN)
        return tuple(f"{check.name}: {check.found}" for check in unknown)

    def to_json(self) -> dict[str, Any]:
        """For `doctor --json`: plain values only; "ok" is null when the result is unknown."""
        outcome = self.outcome
        return {
            "ok": outcome.ok,
            "result": outcome.value,
            "why_unknown": list(self.why_unknown),
            **asdict(self),
        }
