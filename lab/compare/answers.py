"""What a comparison is made of: questions, and three answers to each."""

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from lab.compare.resources import Spent
from lab.foundation.outcome import Outcome

Value: TypeAlias = float | str
CLOSE_PERCENT = 5.0
# From here on digits after the point say nothing, and an exponent less.
LARGE = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What one side says.

    Attributes:
        value: a number in the question's unit, or words; None when it cannot answer.
        age_s: how old the freshest point is.
        resolution_s: the time between two points; None where that has no meaning.
        where: a link or a command.
        why_not: why there is no value.
    """

    value: Value | None = None
    age_s: float | None = None
    resolution_s: float | None = None
    where: str = ""
    why_not: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One question with its answers. `truth` is the application's or PostgreSQL's own word."""

    question: str
    unit: str
    truth: Answer
    prometheus: Answer
    datadog: Answer

    def error_percent(self, answer: Answer) -> float | None:
        """Return by how many per cent a number differs from the truth; None where that has no meaning.

        >>> truth, told = Answer(value=200.0), Answer(value=190.0)
        >>> one = Compared(question="calls", unit="", truth=truth, prometheus=told, datadog=Answer())
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
    """Return the answer of one that has none."""
    return Answer(why_not=why_not)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one role has cost PostgreSQL per second, since statistics were reset, and its sessions now."""

    role: str
    calls_per_s: float
    ms_per_s: float
    share_percent: float
    blocks_per_s: float
    sessions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """All of it.

    Attributes:
        since_s: the window, up to now.
        datadog: what the Datadog column was read from.
        costs_since_s: the window of the costs.
        spent: what the observers take outside the database.
        absent: who could not be asked, and why; without Prometheus the application's own counters are
            not known either, and the questions that rest on them are not there.
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
        """Unknown when one that is asked did not answer, or nothing was compared; never failed."""
        return Outcome.UNKNOWN if self.absent or not self.rows else Outcome.OK

    def to_json(self) -> dict[str, Any]:
        """`{"ok", "result", "since_s", "rows": [...], "costs": [...], "absent": [...], ...}`."""
        return {"ok": self.outcome.ok, "result": self.outcome.value, **asdict(self)}
