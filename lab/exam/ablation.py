"""The experiment: the same sealed items, each observer alone, pairs and all; which finds the cause?

A scripted diagnoser reads the tables of all doors at the same moments of one exam, and answers for each
selection of doors from its tables only: fault, load and player stay the same. A player that is a command
takes one exam for each item and selection.
"""

import dataclasses
import itertools
import math
import os
import random
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import msgspec

from lab.exam import diagnosers, session
from lab.exam.checking import numbers
from lab.exam.doors import Door
from lab.exam.ending import Result
from lab.exam.errors import ExamError
from lab.exam.evidence import Table, tables
from lab.exam.items import TEMPLATES
from lab.exam.log import ExamLog
from lab.exam.requests import Request, shown
from lab.exam.scoring import grade
from lab.exam.session import Options
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.readiness import await_moment
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S

SCRIPTED = "scripted"
OBSERVERS = (Door.PROMETHEUS, Door.DATADOG, Door.APM, Door.LOG)
# Seconds on the clock at which the scripted player reads.
MOMENTS_S = (20.0, 45.0, 75.0)
MINUTES = 5.0
FORGOTTEN_S = 75.0
Z = 1.96  # 95 %


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One item answered with one selection of doors; `score` None: void."""

    item: int
    template: str
    doors: tuple[str, ...]
    score: float | None
    solved: bool
    seconds: float | None
    requests: int
    answered: tuple[str, ...]


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
    """The result of an experiment: rows by selection, the share of selections that solve each item."""

    player: str
    seed: int
    rows: tuple[Row, ...]
    difficulty: dict[str, float]
    unsolved: tuple[str, ...]
    void: tuple[str, ...]
    trials: tuple[Trial, ...]


@dataclass(frozen=True, kw_only=True)
class _Reading:
    at_ns: int
    tables: Mapping[Door, Sequence[Table]]


def selections() -> tuple[tuple[Door, ...], ...]:
    """Return each observer alone, all pairs, and all of them."""
    alone = [(door,) for door in OBSERVERS]
    return (*alone, *itertools.combinations(OBSERVERS, 2), OBSERVERS)


def run(
    items: Iterable[int], settings: LabSettings, *, seed: int, player: str, reporter: Reporter
) -> Experiment:
    """Run the experiment; the lab is healed and verified after each exam.

    Args:
        items: template numbers.
        settings: of the running lab.
        seed: chooses culprits and intensities.
        player: `scripted`, or a command that answers through the MCP server or `exam answer`.
        reporter: receives the progress.
    """
    trials: list[Trial] = []
    for place, number in enumerate(items):
        if place:
            # The previous fault must have left the one-minute rates and the alerts.
            forgotten_ns = clock.now_ns() + round(FORGOTTEN_S * NS_PER_S)
            await_moment("the last fault is forgotten", forgotten_ns, watch=reporter.wait)
        reporter.begin(f"item {number}", TEMPLATES[number].name)
        if player == SCRIPTED:
            trials += _scripted(number, settings, seed, reporter)
        else:
            trials += [
                _by_command(number, each, settings, seed=seed, command=player, reporter=reporter)
                for each in selections()
            ]
    return summarized(trials, seed=seed, player=player)


def chosen(given: str, seed: int) -> tuple[int, ...]:
    """Return the templates of `--items`: that many, chosen by the seed, or those of a list.

    Raises:
        ExamError: when a number is out of range.
    """
    if "," in given:
        return numbers(given)
    if not given.isdecimal() or not 1 <= int(given) <= len(TEMPLATES):
        raise ExamError(
            f"--items {given[:40]}: 1 to {len(TEMPLATES)} are expected, or a list: 0,64"
        )
    return tuple(random.Random(seed).sample(range(len(TEMPLATES)), int(given)))


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


def _scripted(number: int, settings: LabSettings, seed: int, reporter: Reporter) -> Iterator[Trial]:
    options = Options(seed=seed, number=number, minutes=MINUTES)
    try:
        record = session.start(settings, options, reporter)
        readings = [_read(settings, record.clock_ns or 0, s, reporter) for s in MOMENTS_S]
    finally:
        result = session.stop(settings, reporter)
    assert result is not None
    for opened in selections():
        yield _trial(number, _played(result.log, opened, readings), opened)


def _read(settings: LabSettings, clock_ns: int, second: float, reporter: Reporter) -> _Reading:
    until_ns = clock_ns + round(second * NS_PER_S)
    await_moment(f"{second:g} s on the clock", until_ns, watch=reporter.wait)
    found: dict[Door, Sequence[Table]] = {}
    for door in OBSERVERS:
        try:
            found[door] = tables(door, settings)
        except LabError:
            found[door] = ()
    return _Reading(at_ns=clock.now_ns(), tables=found)


def _played(log: ExamLog, opened: tuple[Door, ...], readings: list[_Reading]) -> ExamLog:
    """Return the log as if the player had only these doors; it answers when it is sure, or at the end."""
    requests: list[Request] = []
    for reading in readings:
        seen = {door: reading.tables[door] for door in opened}
        for door, found in seen.items():
            text = msgspec.json.encode([[dict(zip(t.columns, row, strict=True)) for row in t.rows]
                                        for t in found]).decode()  # fmt: skip
            what = " ".join(table.title for table in found)
            requests.append(
                Request(
                    at_ns=reading.at_ns - 1,
                    door=door.value,
                    what=what,
                    size=len(text),
                    shown=shown({door.value}, what, text),
                )
            )
        answer = diagnosers.diagnose(seen)
        if answer.confidence >= diagnosers.SURE:
            break
    return dataclasses.replace(
        log,
        doors=tuple(door.value for door in opened),
        requests=tuple(requests),
        answer=answer,
        ended_ns=reading.at_ns,
    )


def _trial(number: int, log: ExamLog, opened: tuple[Door, ...]) -> Trial:
    found = grade(log)
    return Trial(
        item=number,
        template=TEMPLATES[number].name,
        doors=tuple(door.value for door in opened),
        score=found.score,
        solved=found.says == "right",
        seconds=found.delay_s,
        requests=found.requests,
        answered=tuple(f.kind for f in log.answer.findings) if log.answer else (),
    )


def _by_command(
    number: int,
    opened: tuple[Door, ...],
    settings: LabSettings,
    *,
    seed: int,
    command: str,
    reporter: Reporter,
) -> Trial:
    """Take one exam with a player that is a command; EXAM_DOORS has the doors for its MCP server."""
    record = session.start(
        settings, Options(seed=seed, number=number, doors=opened, minutes=MINUTES), reporter
    )
    variables = {**os.environ, "EXAM_DOORS": ",".join(opened), "EXAM": record.exam}
    try:
        subprocess.run(
            shlex.split(command),
            env=variables,
            check=False,
            timeout=MINUTES * 60,
            stdout=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reporter.done("player", f"{command}: {error}")
    return _trial(number, _result(settings, record.exam, reporter).log, opened)


def _result(settings: LabSettings, exam: str, reporter: Reporter) -> Result:
    return session.stop(settings, reporter) or session.result(settings, exam)
