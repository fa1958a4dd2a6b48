"""A complete comparison: its questions, the costs of the roles, and the figures of each stack."""

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from lab.compare.answers import Answer, Compared, Group
from lab.compare.resources import Spent
from lab.foundation.outcome import Outcome

EXACT_PERCENT = 1.0


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
