"""The experiment: the same sealed items, each observer alone, pairs and all; which finds the cause?

A scripted player reads the tables of all doors at the same moments of one exam, and answers for each
selection of doors from its tables only: fault, load and player stay the same. A player that is a command
takes one exam for each item and selection.
"""

import dataclasses
import itertools
import os
import random
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from lab.exam import diagnosers, doors, session, starting
from lab.exam.checking import numbers
from lab.exam.doors import Door
from lab.exam.errors import ExamError, VoidError
from lab.exam.evidence import Table, tables
from lab.exam.experiment import Trial
from lab.exam.form import Answer
from lab.exam.items import TEMPLATES
from lab.exam.log import ExamLog
from lab.exam.place import Record
from lab.exam.players import PLAYERS
from lab.exam.requests import Request, shown
from lab.exam.starting import Options
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.readiness import await_moment
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S

SCRIPTED = "scripted"
EACH = "each"
OBSERVERS = (Door.PROMETHEUS, Door.DATADOG, Door.APM, Door.LOG)
# Seconds on the clock at which the scripted player reads.
MOMENTS_S = (20.0, 45.0, 75.0)
MINUTES = 5.0
FORGOTTEN_S = 75.0
Selection = tuple[Door, ...]


@dataclass(frozen=True, kw_only=True)
class Design:
    """What an experiment varies.

    Attributes:
        items: template numbers.
        seed: chooses culprits and intensities.
        player: the name of a scripted player, or a command that answers.
        selections: of doors.
        minutes: that a command has for its answer.
    """

    items: tuple[int, ...]
    seed: int
    player: str
    selections: tuple[Selection, ...]
    minutes: float = MINUTES

    @property
    def is_scripted(self) -> bool:
        """Whether the player is one of the lab's own."""
        return self.player == SCRIPTED or self.player in PLAYERS


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The tables of all observers at one moment."""

    at_ns: int
    tables: Mapping[Door, Sequence[Table]]


def selections(given: str = EACH) -> tuple[Selection, ...]:
    """Return the selections of `--with`: `each` (observers alone, all pairs, all of them), or the one given.

    >>> selections("log,apm")
    ((<Door.APM: 'apm'>, <Door.LOG: 'log'>),)

    Raises:
        ExamError: for an unknown door, or `sql`, which is no observer.
    """
    if given.strip().lower() == EACH:
        alone = [(door,) for door in OBSERVERS]
        return (*alone, *itertools.combinations(OBSERVERS, 2), OBSERVERS)
    if given.strip().lower() == doors.ALL:
        return (OBSERVERS,)
    chosen = doors.parse(given)
    if Door.SQL in chosen:
        raise ExamError(
            "--with sql: an experiment compares observers; sql is the database itself.\n"
            f"Expected: {EACH}, {doors.ALL}, or of {', '.join(OBSERVERS)}."
        )
    return (chosen,)


def player(given: str) -> str:
    """Return a player when it exists: a scripted one, or a command whose program is found.

    Raises:
        ExamError: when it is neither.
    """
    try:
        words = shlex.split(given)
    except ValueError as error:
        raise ExamError(f"--player {given[:60]}: {error}.") from None
    if given in {SCRIPTED, *PLAYERS} or (words and shutil.which(words[0])):
        return given
    raise ExamError(
        f"--player {given[:60]}: there is no such player or program.\n"
        f"Expected: {SCRIPTED}, {', '.join(PLAYERS)}, or a command."
    )


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


def run(design: Design, settings: LabSettings, reporter: Reporter) -> Iterator[Trial]:
    """Yield the trials of an experiment; the lab is healed and verified after each exam.

    An item that cannot be proven is void, and the experiment continues.

    Raises:
        ExamError: when no exam can be started at all.
    """
    whole = (design.selections,) if design.is_scripted else ((each,) for each in design.selections)
    exams = [(number, opened) for opened in whole for number in design.items]
    for place, (number, opened) in enumerate(exams):
        if place:
            # The previous fault must have left the one-minute rates and the alerts.
            forgotten_ns = clock.now_ns() + round(FORGOTTEN_S * NS_PER_S)
            await_moment("the last fault is forgotten", forgotten_ns, watch=reporter.wait)
        reporter.begin(f"item {number}", TEMPLATES[number].name)
        if design.is_scripted:
            yield from _scripted(number, design, settings, reporter)
        else:
            yield _by_command(number, opened[0], design, settings, reporter)


def played(log: ExamLog, opened: Selection, readings: Sequence[Reading], name: str) -> ExamLog:
    """Return the log of an exam as if a scripted player had only these doors.

    The diagnosers answer when they are sure, or at the last reading; the other players at the first.
    """
    requests: list[Request] = []
    for reading in readings:
        seen = {door: reading.tables[door] for door in opened}
        requests += [_request(door, found, reading.at_ns) for door, found in seen.items()]
        now = dataclasses.replace(
            log,
            doors=tuple(door.value for door in opened),
            requests=tuple(requests),
            ended_ns=reading.at_ns,
        )
        answer = _answer(name, now, seen)
        now = dataclasses.replace(now, answer=answer)
        if answer is None or name != SCRIPTED or answer.confidence >= diagnosers.SURE:
            break
    return now


def _answer(name: str, log: ExamLog, seen: Mapping[Door, Sequence[Table]]) -> Answer | None:
    if name == SCRIPTED:
        return diagnosers.diagnose(seen)
    return PLAYERS[name](log, random.Random(f"{log.commitment} {log.doors}"))


def _request(door: Door, found: Sequence[Table], at_ns: int) -> Request:
    """Return the request that reads the tables of a door; a table without rows shows nothing."""
    rows = [[dict(zip(t.columns, row, strict=True)) for row in t.rows] for t in found]
    text = msgspec.json.encode(rows).decode()
    what = " ".join(table.title for table in found if table.rows)
    return Request(
        at_ns=at_ns - 1, door=door, what=what, size=len(text), shown=shown({door}, what, text)
    )


def _scripted(
    number: int, design: Design, settings: LabSettings, reporter: Reporter
) -> Iterator[Trial]:
    options = Options(seed=design.seed, number=number, minutes=MINUTES)
    readings: list[Reading] = []

    def take_part(exam: Record) -> None:
        readings.extend(_read(settings, exam.clock_ns or 0, s, reporter) for s in MOMENTS_S)

    log = _taken(options, settings, reporter, take_part)
    for opened in design.selections:
        if isinstance(log, str):
            yield _void(number, opened, log)
        else:
            heard = played(log, opened, readings, design.player)
            yield Trial.of(number, TEMPLATES[number].name, heard)


def _read(settings: LabSettings, clock_ns: int, second: float, reporter: Reporter) -> Reading:
    until_ns = clock_ns + round(second * NS_PER_S)
    await_moment(f"{second:g} s on the clock", until_ns, watch=reporter.wait)
    found: dict[Door, Sequence[Table]] = {}
    for door in OBSERVERS:
        try:
            found[door] = tables(door, settings)
        except LabError:
            found[door] = ()
    return Reading(at_ns=clock.now_ns(), tables=found)


def _by_command(
    number: int, opened: Selection, design: Design, settings: LabSettings, reporter: Reporter
) -> Trial:
    """Take one exam with a player that is a command; EXAM_DOORS has the doors for its MCP server."""
    options = Options(seed=design.seed, number=number, doors=opened, minutes=design.minutes)

    def take_part(exam: Record) -> None:
        variables = {**os.environ, "EXAM_DOORS": ",".join(opened), "EXAM": exam.exam}
        reporter.begin("player", f"{exam.exam} with {'+'.join(opened)}")
        try:
            done = subprocess.run(
                shlex.split(design.player),
                env=variables,
                check=False,
                timeout=design.minutes * 60,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            reporter.done("player", f"{design.player}: {error}")
        else:
            reporter.done("player", f"ended with status {done.returncode}")

    log = _taken(options, settings, reporter, take_part)
    if isinstance(log, str):
        return _void(number, opened, log)
    return Trial.of(number, TEMPLATES[number].name, log)


def _taken(
    options: Options,
    settings: LabSettings,
    reporter: Reporter,
    take_part: Callable[[Record], None],
) -> ExamLog | str:
    """Return the log of an exam after its player has taken part; the reason of one that never began."""
    try:
        exam = starting.start(settings, options, reporter)
    except VoidError as error:
        return str(error).splitlines()[0]
    try:
        take_part(exam)
    finally:
        found = session.stop(settings, reporter)
    return (found or session.result(settings, exam.exam)).log


def _void(number: int, opened: Selection, why: str) -> Trial:
    name = TEMPLATES[number].name
    doors_ = tuple(door.value for door in opened)
    return Trial(item=number, template=name, doors=doors_, score=None, void=why)
