"""The report of `verify`: one `Check` per line; a check without data is unknown, not passed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab.foundation.outcome import Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One check. `ok` is None when data were missing; `detail` has the reason."""

    name: str
    ok: bool | None
    expected: str
    actual: str
    detail: str = ""

    @property
    def outcome(self) -> Outcome:
        """Ok, failed or unknown."""
        return Outcome.of(self.ok)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All checks of one run."""

    checks: Sequence[Check]

    @property
    def outcome(self) -> Outcome:
        """Failed when a check failed; unknown when none failed and one has no data; else ok."""
        return Outcome.worst(check.outcome for check in self.checks)

    @property
    def ok(self) -> bool | None:
        """The same as True, False and None."""
        return self.outcome.ok

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(check.name for check in self.checks if check.ok is False)

    @property
    def why_unknown(self) -> tuple[str, ...]:
        """For each check without data its name and the reason; also when there is no check at all."""
        if not self.checks:
            return ("nothing was checked",)
        return tuple(f"{check.name}: {check.detail}" for check in self.checks if check.ok is None)

    @property
    def summary(self) -> str:
        """One line: which checks failed, which are unknown and why, or that the totals match."""
        if self.outcome is Outcome.OK:
            return "totals match the database"
        parts = [f"failed: {', '.join(self.failed)}"] if self.failed else []
        parts += [f"unknown: {'; '.join(self.why_unknown)}"] if self.why_unknown else []
        return "; ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """`{"ok", "result", "why_unknown", "checks": [{"name", "ok", "expected", "actual", "detail"}]}`."""
        return {
            "ok": self.ok,
            "result": self.outcome.value,
            "why_unknown": list(self.why_unknown),
            "checks": [asdict(check) for check in self.checks],
        }


def compare(name: str, *, expected: object, actual: object, detail: str = "") -> Check:
    """Check that two figures are equal."""
    return Check(
        name=name, ok=expected == actual, expected=str(expected), actual=str(actual), detail=detail
    )


def unknown(name: str, detail: str) -> Check:
    """A check that could not be made."""
    return Check(name=name, ok=None, expected="unknown", actual="unknown", detail=detail)
