"""The records of a comparison: questions with three answers each, the parts of an error, costs, a summary."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from statistics import median
from typing import Any, TypeAlias

from lab.compare.resources import Spent
from lab.foundation.outcome import Outcome

Value: TypeAlias = float | str
CLOSE_PERCENT = 5.0
EXACT_PERCENT = 1.0
# Values from this size on are printed without decimals and without an exponent.
LARGE = 10_000
# Errors in per cent: without decimals from here on; parts below this are not named.
WHOLE = 100
SMALL = 0.05
BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))


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


def number(answer: Answer, row: Compared) -> str:
    """Return a value with its unit.

    >>> asked = {"group": Group.LOAD, "question": "", "truth": Answer(), "prometheus": Answer()}
    >>> number(Answer(value=12_345_678.0), Compared(**asked, unit="B", datadog=Answer()))
    '12.35 MB'
    """
    value, unit = answer.value, row.unit
    if not isinstance(value, float):
        return value or "cannot answer"
    if unit == "B":
        value, unit = next(
            (value / size, name) for size, name in BYTES if abs(value) >= size or size == 1
        )
    form = ",.4g" if abs(value) < LARGE else ",.0f"
    return f"{value:{form}} {unit}".strip()


# The letter of each part, beside an error.
LETTERS = {"observer": "!", "extrapolation": "x", "resolution": "r", "delay": "d"}
LEGEND = (
    "Errors in % of the truth, with their largest part: d delay, r resolution (sampling),"
    " x extrapolation, ! not true at the stack's own moments"
)


PARTS = (
    "The parts of an error add up to it. Observer: not true at the stack's own moments. Extrapolation:"
    " by increase(), or of a rate. Resolution: between two samples. Delay: after the newest point"
)


def parts_text(row: Compared, answer: Answer) -> str:
    """Return the parts of an error in percent of the truth, without those that round to 0.

    >>> one = Answer(value=198.0, parts=Parts(delay=-3.0, extrapolation=1.0))
    >>> asked = {"group": Group.LOAD, "question": "", "unit": "", "truth": Answer(value=200.0)}
    >>> parts_text(Compared(**asked, prometheus=one, datadog=one), one)
    'extrapolation +0.5 %, delay -1.5 %'
    """
    parts = row.part_percents(answer).items()
    return ", ".join(f"{name} {value:+.1f} %" for name, value in parts if abs(value) >= SMALL)


def error_text(row: Compared, answer: Answer) -> str:
    """Return an error with the letter of its largest part; empty where there is none.

    >>> parts = Parts(delay=-3.0, extrapolation=1.0)
    >>> one = Answer(value=198.0, parts=parts)
    >>> row = Compared(
    ...     group=Group.LOAD, question="", unit="", truth=Answer(value=200.0), prometheus=one, datadog=one
    ... )
    >>> error_text(row, one)
    '-1.0 d'
    """
    error = row.error_percent(answer)
    if error is None:
        return ""
    parts = row.part_percents(answer)
    largest = max(parts, key=lambda name: abs(parts[name]), default=None)
    text = f"{error:+.0f}" if abs(error) >= WHOLE else f"{error:+.1f}"
    return f"{text} {LETTERS[largest]}" if largest and abs(parts[largest]) >= SMALL else text


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
class Summary:
    """One stack in figures.

    Attributes:
        stack: its name.
        answered, exact: number of questions with an answer, and with an error of at most EXACT_PERCENT.
        cannot_percent: share of questions without an answer.
        observer_errors: number of counters that were not true at the stack's own moments.
        age_s, resolution_s: medians over the answers.
        ms_per_s: execution time in PostgreSQL, per second.
    """

    stack: str
    questions: int
    answered: int
    exact: int
    cannot_percent: float
    observer_errors: int
    age_s: float | None
    resolution_s: float | None
    ms_per_s: float | None


ROLES = {"prometheus": ("postgres_exporter",), "datadog": ("datadog", "datadog_explain")}
# An observer's own error below this share of the truth is rounding of its format, such as 6 digits.
ROUNDING = 1e-5


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A complete comparison.

    Attributes:
        since_s: the window that both stacks and the truth have, up to now.
        asked_s: the requested window.
        datadog: the source of the Datadog column.
        costs_since_s: the window of the costs.
        spent: the cost of the observers outside the database.
        absent: the sides that did not answer, with the reason.
    """

    since_s: float
    datadog: str
    rows: tuple[Compared, ...]
    costs: tuple[Cost, ...]
    costs_since_s: float
    asked_s: float = 0.0
    spent: tuple[Spent, ...] = ()
    absent: tuple[str, ...] = field(default=())

    @property
    def outcome(self) -> Outcome:
        """Unknown when a side did not answer, or nothing was compared; never failed."""
        return Outcome.UNKNOWN if self.absent or not self.rows else Outcome.OK

    def groups(self) -> dict[Group, list[Compared]]:
        """Return the questions by group."""
        found = {group: [row for row in self.rows if row.group is group] for group in Group}
        return {group: rows for group, rows in found.items() if rows}

    def summaries(self) -> tuple[Summary, Summary]:
        """Return the figures of Prometheus and of Datadog."""
        return self._summary("prometheus", "Prometheus"), self._summary("datadog", "Datadog")

    def to_json(self) -> dict[str, Any]:
        """`{"ok", "result", "summary": {...}, "since_s", "rows": [...], "costs": [...], ...}`."""
        document = asdict(self)
        for row, found in zip(document["rows"], self.rows, strict=True):
            for side in ("truth", "prometheus", "datadog"):
                del row[side]["points"]
                if side != "truth":
                    row[side]["error_percent"] = found.error_percent(getattr(found, side))
        summary = {one.stack.lower(): asdict(one) for one in self.summaries()}
        return {
            "ok": self.outcome.ok, "result": self.outcome.value, "summary": summary, **document,
        }  # fmt: skip

    def _summary(self, side: str, stack: str) -> Summary:
        pairs = [(row, getattr(row, side)) for row in self.rows]
        answered = [(row, answer) for row, answer in pairs if answer.value is not None]
        errors = [row.error_percent(answer) for row, answer in answered]
        costs = [cost.ms_per_s for cost in self.costs if cost.role in ROLES[side]]
        return Summary(
            stack=stack,
            questions=len(pairs),
            answered=len(answered),
            exact=sum(error is not None and abs(error) <= EXACT_PERCENT for error in errors),
            cannot_percent=round(100 * (len(pairs) - len(answered)) / max(len(pairs), 1), 1),
            observer_errors=sum(_is_wrong(row, answer) for row, answer in answered),
            age_s=_median([answer.age_s for _, answer in answered]),
            resolution_s=_median([answer.resolution_s for _, answer in answered]),
            ms_per_s=sum(costs) if costs else None,
        )


def _is_wrong(row: Compared, answer: Answer) -> bool:
    true = row.truth.value
    return (
        answer.parts is not None
        and isinstance(true, float)
        and abs(answer.parts.observer) > ROUNDING * abs(true)
    )


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(median(known), 1) if known else None
