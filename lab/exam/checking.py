"""Runs items once each, without a player: each must be proven, healed, verified and solvable."""

import dataclasses
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.exam import players, session, starting
from lab.exam.ending import Result
from lab.exam.errors import ExamError, VoidError
from lab.exam.items import TEMPLATES
from lab.exam.scoring import grade
from lab.exam.starting import Options
from lab.foundation.outcome import Outcome
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S

SOLVED = 0.8  # without evidence, which no player has opened


@dataclass(frozen=True, kw_only=True)
class Checked:
    """One item that was run. `proven_s` is the time from `exam start` to the clock, None without proof."""

    number: int
    template: str
    proven_s: float | None = None
    verified: str = "unknown"
    oracle: float | None = None
    problem: str = ""

    @property
    def outcome(self) -> Outcome:
        """Failed with a problem; unknown when verify was not possible; else ok."""
        if self.problem:
            return Outcome.FAILED
        return Outcome.OK if self.verified.startswith(Outcome.OK.value) else Outcome.UNKNOWN


def numbers(given: str | None) -> tuple[int, ...]:
    """Return the templates of `--items`: numbers separated by commas; None: all.

    Raises:
        ExamError: when one is out of range.
    """
    if given is None:
        return tuple(range(len(TEMPLATES)))
    found = [part.strip() for part in given.split(",") if part.strip()]
    if not found or not all(part.isdecimal() and int(part) < len(TEMPLATES) for part in found):
        raise ExamError(
            f"--items {given[:60]}: numbers from 0 to {len(TEMPLATES) - 1} are expected."
        )
    return tuple(int(part) for part in found)


def check(
    items: Iterable[int], settings: LabSettings, *, seed: int, reporter: Reporter
) -> Iterator[Checked]:
    """Yield each item after it was run.

    Raises:
        ExamError: when an exam cannot be started at all.
    """
    for number in items:
        options = Options(seed=seed, number=number, minutes=5.0)
        reporter.begin(TEMPLATES[number].name)
        try:
            starting.start(settings, options, reporter)
        except VoidError as error:
            yield _failed(number, str(error).splitlines()[0])
            continue
        result = session.stop(settings, reporter)
        assert result is not None
        yield _of(number, result)


def _of(number: int, result: Result) -> Checked:
    log = result.log
    if log.clock_ns is None or log.void:
        return _failed(number, log.void or "the clock never started")
    solved = dataclasses.replace(log, answer=players.oracle(log, random.Random(0)))
    score = grade(solved).score
    problem = "" if score is not None and score >= SOLVED else f"the right answer has {score}"
    if result.verified.startswith(Outcome.FAILED.value):
        problem = f"verify {result.verified}"
    return Checked(
        number=number,
        template=TEMPLATES[number].name,
        proven_s=round((log.clock_ns - log.started_ns) / NS_PER_S, 1),
        verified=result.verified,
        oracle=score,
        problem=problem,
    )


def _failed(number: int, problem: str) -> Checked:
    return Checked(number=number, template=TEMPLATES[number].name, problem=problem)
