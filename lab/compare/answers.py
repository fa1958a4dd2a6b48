"""Questions of a comparison with three answers each, and the parts of an error."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TypeAlias

Value: TypeAlias = float | str
CLOSE_PERCENT = 5.0


class Group(StrEnum):
    """The groups of questions, in the order in which they are shown."""

    LOAD = "load"
    STATEMENTS = "statements"
    SESSIONS = "sessions and locks"
    PLANS = "plans"
    TABLES = "tables"
    SERVER = "server"
    COST = "cost"


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What an error consists of, in the question's unit; the parts add up to it.

    Attributes:
        observer: at the moments at which the observer sampled: 0 unless it reported what was not true then.
        extrapolation: added by `increase()`, or by the conversion of a rate to a total.
        resolution: added by sampling: the window begins between two samples, or values between are unknown.
        delay: what happened after the observer's newest point.
        within: how exactly the truth is known at the observer's moments.
    """

    observer: float = 0.0
    extrapolation: float = 0.0
    resolution: float = 0.0
    delay: float = 0.0
    within: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The answer of one side.

    Attributes:
        value: a number in the question's unit, or text; None when it cannot answer.
        age_s: the age of the newest point when the question was asked.
        resolution_s: the time between two points; None where it has no meaning.
        where: the source, as a link or a command.
        why_not: the reason why there is no value.
        parts: of the error, where the truth is known at the observer's moments.
        points: values over time, where a chart helps: nanoseconds since 1970, and value.
    """

    value: Value | None = None
    age_s: float | None = None
    resolution_s: float | None = None
    where: str = ""
    why_not: str = ""
    parts: Parts | None = None
    points: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One question with its answers. `truth` is from the lab's own readings, or from PostgreSQL itself."""

    group: Group
    question: str
    unit: str
    truth: Answer
    prometheus: Answer
    datadog: Answer

    def error_percent(self, answer: Answer) -> float | None:
        """Return the deviation of a number from the truth in percent; None where it has no meaning.

        >>> truth, reported = Answer(value=200.0), Answer(value=190.0)
        >>> asked = {"group": Group.LOAD, "question": "calls", "unit": "", "truth": truth}
        >>> one = Compared(**asked, prometheus=reported, datadog=Answer())
        >>> one.error_percent(one.prometheus), one.error_percent(one.datadog)
        (-5.0, None)
        """
        return percent_of(_difference(self.truth.value, answer.value), self.truth.value)

    def part_percents(self, answer: Answer) -> dict[str, float]:
        """Return the parts of an answer's error that are not 0, in percent of the truth."""
        if answer.parts is None:
            return {}
        found = {
            name: percent_of(value, self.truth.value)
            for name, value in asdict(answer.parts).items()
            if name != "within"
        }
        return {name: value for name, value in found.items() if value}


def percent_of(difference: float | None, truth: Value | None) -> float | None:
    """Return a difference in percent of the truth; None where that has no meaning."""
    if difference is None or not isinstance(truth, float):
        return None
    if truth == 0:
        return 0.0 if difference == 0 else None
    return 100 * difference / abs(truth)


def _difference(true: Value | None, reported: Value | None) -> float | None:
    if isinstance(true, float) and isinstance(reported, float):
        return reported - true
    return None


def cannot(why_not: str) -> Answer:
    """Return an answer without a value."""
    return Answer(why_not=why_not)
