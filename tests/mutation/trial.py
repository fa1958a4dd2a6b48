"""Tries one mutant: writes it into a copy of the tree and runs the chosen tests until one fails."""

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from pathlib import Path

from tests.mutation import reviewed
from tests.mutation.chosen import NAMES
from tests.mutation.prefork import Prefork
from tests.mutation.sample import Mutant

# Of what the tests took when they were recorded, and what starting takes.
SLOWER, START_S = 4.0, 60.0
# What took longer is tried once more, in so many times that time.
AGAIN = 3.0
# Of files with a mutant in them, in whole seconds: no two have the same.
TIMES = count(int(time.time()))
FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
NO_TESTS = 5


class Outcome(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    TIMEOUT = "timeout"
    UNREACHED = "unreached"  # no test runs it
    INVALID = "invalid"  # the test that killed it fails without it, or takes as long
    EQUIVALENT = "equivalent"  # reviewed, see equivalent.toml


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A mutant, how many tests it was tried by, and the one that failed."""

    mutant: Mutant
    outcome: Outcome
    tests: int = 0
    by: str = ""


def tried(mutant: Mutant, tests: Sequence[str], seconds: float, prefork: Prefork) -> Trial:
    """Run the tests on a mutant; `seconds` is what they took without it."""
    if why := reviewed.reason(mutant.file, mutant.before, mutant.after):
        return Trial(mutant=mutant, outcome=Outcome.EQUIVALENT, by=why)
    if not tests:
        return Trial(mutant=mutant, outcome=Outcome.UNREACHED)
    within_s = START_S + SLOWER * seconds
    with _written(prefork.clone.root / mutant.file, mutant.text):
        status, output = run(tests, prefork, within_s=within_s)
        if status is None:  # by chance, on a busy machine?
            status, output = run(tests, prefork, within_s=AGAIN * within_s)
    if status is None:
        slow = run(tests, prefork, within_s=AGAIN * within_s)[0] is None
        outcome = Outcome.INVALID if slow else Outcome.TIMEOUT
        return Trial(mutant=mutant, outcome=outcome, tests=len(tests))
    failed = FAILED.search(output)
    return Trial(
        mutant=mutant,
        outcome=Outcome.SURVIVED if status in {0, NO_TESTS} else Outcome.KILLED,
        tests=len(tests),
        by=failed[1] if failed else "",
    )


@contextmanager
def _written(file: Path, text: str) -> Iterator[None]:
    """Replace the text of a file, and its time: Python compares byte code with it in whole seconds."""
    before, at = file.read_text(encoding="utf-8"), file.stat()
    file.write_text(text, encoding="utf-8")
    os.utime(file, (at.st_atime, next(TIMES)))
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")
        os.utime(file, ns=(at.st_atime_ns, at.st_mtime_ns))


def run(tests: Sequence[str], prefork: Prefork, *, within_s: float) -> tuple[int | None, str]:
    """Run tests until one fails; return pytest's exit status, None for a time-out, and its output."""
    names = prefork.clone.root.parent / "tests.json"
    names.write_text(json.dumps(list(tests)), encoding="utf-8")
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    arguments = [
        "-x", "-q", "-p", "tests.mutation.chosen", "-p", "no:cacheprovider", "--tb=no", "-rfE", *files,
    ]  # fmt: skip
    return prefork.run(arguments, {NAMES: str(names)}, within_s=within_s)
