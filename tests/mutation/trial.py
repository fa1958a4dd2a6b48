"""Tries one mutant: writes it into a copy of the tree and runs the chosen tests until one fails."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from tests.mutation import reviewed
from tests.mutation.chosen import NAMES
from tests.mutation.clone import Clone
from tests.mutation.sample import Mutant

# Of what the tests took when they were recorded, and what starting takes.
SLOWER, START_S = 4.0, 60.0
# What took longer is tried once more, in so many times that time.
AGAIN = 3.0
ENDS_WITHIN_S = 30.0
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


def tried(mutant: Mutant, tests: Sequence[str], seconds: float, clone: Clone) -> Trial:
    """Run the tests on a mutant; `seconds` is what they took without it."""
    if why := reviewed.reason(mutant.file, mutant.before, mutant.after):
        return Trial(mutant=mutant, outcome=Outcome.EQUIVALENT, by=why)
    if not tests:
        return Trial(mutant=mutant, outcome=Outcome.UNREACHED)
    file = clone.root / mutant.file
    before = file.read_text(encoding="utf-8")
    within_s = START_S + SLOWER * seconds
    file.write_text(mutant.text, encoding="utf-8")
    try:
        status, output = run(tests, clone, within_s=within_s)
        if status is None:  # by chance, on a busy machine?
            status, output = run(tests, clone, within_s=AGAIN * within_s)
    finally:
        file.write_text(before, encoding="utf-8")
    if status is None:
        slow = run(tests, clone, within_s=AGAIN * within_s)[0] is None
        outcome = Outcome.INVALID if slow else Outcome.TIMEOUT
        return Trial(mutant=mutant, outcome=outcome, tests=len(tests))
    failed = FAILED.search(output)
    return Trial(
        mutant=mutant,
        outcome=Outcome.SURVIVED if status in {0, NO_TESTS} else Outcome.KILLED,
        tests=len(tests),
        by=failed[1] if failed else "",
    )


def run(tests: Sequence[str], clone: Clone, *, within_s: float) -> tuple[int | None, str]:
    """Run tests until one fails; return pytest's exit status, None for a time-out, and its output."""
    names = clone.root.parent / "tests.json"
    names.write_text(json.dumps(list(tests)), encoding="utf-8")
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    command = [
        str(clone.python), "-P", "-m", "pytest", "-x", "-q", "-p", "tests.mutation.chosen",
        "-p", "no:cacheprovider", "--tb=no", "-rfE", *files,
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        cwd=clone.root,
        env=clone.environment(**{NAMES: str(names)}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        _end(process)
        return None, ""
    except BaseException:
        _end(process)
        raise
    return process.returncode, output


def _end(process: subprocess.Popen[str]) -> None:
    """End what hangs: as Ctrl-C first, so that fixtures stop their servers; then the whole group."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=ENDS_WITHIN_S)
            return
