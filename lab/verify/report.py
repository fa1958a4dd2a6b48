"""What `verify` found: one `Check` per line, three-valued, because no data is not a pass."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One check. `ok` is None when there was no data to judge by; `detail` says why."""

    name: str
    ok: bool | None
    expected: str
    actual: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All checks of one run."""

    checks: Sequence[Check]

    @property
    def ok(self) -> bool | None:
        """False when a check failed; None when none failed but one has no data; else True."""
        values = {check.ok for check in self.checks}
        if False in values:
            return False
        return None if None in values else True

    def to_json(self) -> dict[str, Any]:
        """`{"ok", "checks": [{"name", "ok", "expected", "actual", "detail"}]}`."""
        return {"ok": self.ok, "checks": [asdict(check) for check in self.checks]}


def compare(name: str, *, expected: object, actual: object, detail: str = "") -> Check:
    """Check that two figures are equal."""
    return Check(
        name=name, ok=expected == actual, expected=str(expected), actual=str(actual), detail=detail
    )


def unknown(name: str, detail: str) -> Check:
    """A check that could not be made."""
    return Check(name=name, ok=None, expected="unknown", actual="unknown", detail=detail)
