"""The result of an experiment: accuracy, time and requests by selection of doors, and the items' difficulty.

A pure function of the trials: docs/which-observer.md has one result.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from lab.exam.log import ExamLog
from lab.exam.scoring import grade

Z = 1.96  # 95 %


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One item answered with one selection of doors; `score` None: void, with its reason."""

    item: int
    template: str
    doors: tuple[str, ...]
    score: float | None
    solved: bool = False
    seconds: float | None = None
    requests: int = 0
    answered: tuple[str, ...] = ()
    void: str = ""

    @classmethod
    def of(cls, item: int, template: str, log: ExamLog) -> "Trial":
        """Return the trial of an exam that is over, with its grade."""
        found = grade(log)
        return cls(
            item=item,
            template=template,
            doors=log.doors,
            score=found.score,
            solved=found.says == "right",
            seconds=found.delay_s,
            requests=found.requests,
            answered=tuple(f.kind for f in log.answer.findings) if log.answer else (),
            void=log.void,
        )


@dataclass(frozen=True, kw_only=True)
class Row:
    """One selection of doors over all items; `low` and `high` are the 95 % interval of the share solved."""

    doors: tuple[str, ...]
    trials: int
    solved: float
    low: float
    high: float
    score: float
    seconds: float | None
    requests: float


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """The result of an experiment: rows by selection, the share of selections that fail at each item."""

    player: str
    seed: int
    rows: tuple[Row, ...]
    difficulty: dict[str, float]
    unsolved: tuple[str, ...]
    void: tuple[str, ...]
    trials: tuple[Trial, ...]


def summarized(trials: Sequence[Trial], *, seed: int, player: str) -> Experiment:
    """Return the result of trials; void ones count for nothing."""
    valid = [trial for trial in trials if trial.score is not None]
    by_doors = itertools.groupby(sorted(valid, key=lambda t: t.doors), key=lambda t: t.doors)
    by_item = itertools.groupby(sorted(valid, key=lambda t: t.item), key=lambda t: t.template)
    solved = {name: [trial.solved for trial in group] for name, group in by_item}
    rows = sorted((_row(doors, list(group)) for doors, group in by_doors), key=lambda r: -r.solved)
    return Experiment(
        player=player,
        seed=seed,
        rows=tuple(rows),
        difficulty={name: 1 - sum(found) / len(found) for name, found in solved.items()},
        unsolved=tuple(name for name, found in solved.items() if not any(found)),
        void=tuple(dict.fromkeys(t.template for t in trials if t.score is None)),
        trials=tuple(trials),
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson score interval).

    >>> wilson(0, 10), wilson(10, 10)
    ((0.0, 0.278), (0.722, 1.0))
    """
    if trials == 0:
        return 0.0, 1.0
    share, squared = successes / trials, Z**2
    middle = (share + squared / (2 * trials)) / (1 + squared / trials)
    root = math.sqrt(share * (1 - share) / trials + squared / (4 * trials**2))
    half = Z * root / (1 + squared / trials)
    return round(max(0.0, middle - half), 3), round(min(1.0, middle + half), 3)


def _row(doors: tuple[str, ...], group: list[Trial]) -> Row:
    solved = [trial for trial in group if trial.solved]
    low, high = wilson(len(solved), len(group))
    times = [trial.seconds for trial in solved if trial.seconds is not None]
    return Row(
        doors=doors,
        trials=len(group),
        solved=round(len(solved) / len(group), 3),
        low=low,
        high=high,
        score=round(sum(trial.score or 0 for trial in group) / len(group), 3),
        seconds=round(median(times), 1) if times else None,
        requests=round(sum(trial.requests for trial in group) / len(group), 1),
    )
