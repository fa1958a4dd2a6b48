"""The records of a comparison: questions with three answers each, and costs."""

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from lab.compare.resources import Spent
from lab.foundation.outcome import Outcome

Value: TypeAlias = float | str
CLOSE_PERCENT = 5.0
# Values from this size on are printed without decimals and without an exponent.
LARGE = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The answer of one side.

    Attributes:
        value: a number in the question's unit, or text; None when it cannot answer.
        age_s: the age of the newest point.
        resolution_s: the time between two points; None where it has no meaning.
        where: the source, as a link or a command.
        why_not: the reason why there is no value.
    """

    value: Value | None = None
    age_s: float | None = None
    resolution_s: float | None = None
    where: str = ""
    why_not: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One question with its answers. `truth` is from the application or from PostgreSQL itself."""

    question: str
    unit: str
    truth: Answer
    prometheus: Answer
    datadog: Answer

    def error_percent(self, answer: Answer) -> float | None:
        """Return the deviation of a number from the truth in percent; None where it has no meaning.

        >>> truth, reported = Answer(value=200.0), Answer(value=190.0)
        >>> one = Compared(question="calls", unit="", truth=truth, prometheus=reported, datadog=Answer())
        >>> one.error_percent(one.prometheus), one.error_percent(one.datadog)
        (-5.0, None)
        """
        true, reported = self.truth.value, answer.value
        if not isinstance(true, float) or not isinstance(reported, float):
            return None
        if true == 0:
            return 0.0 if reported == 0 else None
        return 100 * (reported - true) / abs(true)


def number(answer: Answer, row: Compared) -> str:
    """Return a value with its unit."""
    if isinstance(answer.value, float):
        form = ",.4g" if abs(answer.value) < LARGE else ",.0f"
        return f"{answer.value:{form}} {row.unit}".strip()
    return answer.value or "cannot answer"


def cannot(why_not: str) -> Answer:
    """Return an answer without a value."""
    return Answer(why_not=why_not)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """The cost of one role in PostgreSQL per second since the last statistics reset, and its sessions now."""

    role: str
    calls_per_s: float
    ms_per_s: float
    share_percent: float
    blocks_per_s: float
    sessions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A complete comparison.

    Attributes:
        since_s: the window, up to now.
        datadog: the source of the Datadog column.
        costs_since_s: the window of the costs.
        spent: the cost of the observers outside the database.
        absent: the sides that did not answer, with the reason; without Prometheus the application's own
            counters are not known either, and the questions that need them are missing.
    """

    since_s: float
    datadog: str
    rows: tuple[Compared, ...]
    costs: tuple[Cost, ...]
    costs_since_s: float
    spent: tuple[Spent, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Unknown when a side did not answer, or nothing was compared; never failed."""
        return Outcome.UNKNOWN if self.absent or not self.rows else Outcome.OK

    def to_json(self) -> dict[str, Any]:
        """`{"ok", "result", "since_s", "rows": [...], "costs": [...], "absent": [...], ...}`."""
        return {"ok": self.outcome.ok, "result": self.outcome.value, **asdict(self)}
