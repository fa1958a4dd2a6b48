"""Which tests run a line: recorded once by coverage.py, in the tests and in the processes they start.

A mutant is then tried by these tests only. A record is a directory of .lab/mutation that has its sources too:
lines are found again after the files have changed. Of two records of a test the newer one counts.
"""

import difflib
import json
import re
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import coverage

from lab.foundation.settings import ROOT
from tests.mutation.clone import Clone, cloned
from tests.mutation.contexts import NOTES

RECORDS = ROOT / ".lab" / "mutation"
FOLDERS = ("lab", "workload")
USUAL = ("tests/unit", "tests/contract", "tests/integration", "tests/fuzz")
STARTED = re.compile(r"(?P<test>.*) \((?P<phase>setup|call|teardown)\)")
# A process that a test starts gets the test's name from the variable that pytest keeps up to date.
CONFIGURATION = """
[run]
source = {root}/lab, {root}/workload
data_file = {data}
parallel = true
sigterm = true
context = ${{PYTEST_CURRENT_TEST-}}
"""


class NoRecordError(Exception):
    """There is no record of which tests run which line; make one with --record."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Tests by file and line, and what each took; tests that failed when recorded are left out."""

    lines: Mapping[str, Mapping[int, set[str]]]
    sources: Mapping[str, set[int]]
    seconds: Mapping[str, float]

    def tests(self, file: str, lines: Iterable[int]) -> frozenset[str]:
        """Return the tests that run any of some lines of a file, which is named from the root of the tree."""
        known = self.lines.get(file, {})
        return frozenset().union(*(known.get(line, ()) for line in lines))

    def knows(self, file: str, lines: Iterable[int]) -> bool:
        """Whether any of these lines was there when the tests were recorded."""
        return any(line in self.sources.get(file, ()) for line in lines)

    def all_tests(self, file: str) -> frozenset[str]:
        """Return the tests that run anything of a file, other than by importing it."""
        return frozenset().union(*self.lines.get(file, {}).values())


def record(arguments: Sequence[str], *, processes: int) -> None:
    """Run tests in a copy of the tree, and keep what they reach."""
    kept = RECORDS / f"record-{time.time_ns()}"
    kept.mkdir(parents=True)
    with cloned() as clone:
        for folder in FOLDERS:
            shutil.copytree(clone.root / folder, kept / "tree" / folder)
        configuration = clone.root.parent / "coverage.ini"
        data = kept / "contexts.sqlite"
        configuration.write_text(CONFIGURATION.format(root=clone.root, data=data), encoding="utf-8")
        _run(arguments or USUAL, clone, configuration, kept / "notes.jsonl", processes)
        measured = coverage.Coverage(config_file=str(configuration))
        measured.combine()
        measured.save()


def _run(
    arguments: Sequence[str], clone: Clone, configuration: Path, notes: Path, processes: int
) -> None:
    startup = clone.site_packages() / "measured.pth"
    startup.write_text("import coverage; coverage.process_startup()\n", encoding="utf-8")
    command = [
        str(clone.python), "-P", "-m", "pytest", "-q", "-p", "tests.mutation.contexts",
        f"--numprocesses={processes}", *arguments,
    ]  # fmt: skip
    environment = clone.environment(
        COVERAGE_PROCESS_START=str(configuration), **{NOTES: str(notes)}
    )
    subprocess.run(command, cwd=clone.root, env=environment, check=False)


def recorded() -> Reach:
    """Return what is recorded, by the lines of the working tree.

    Raises:
        NoRecordError: when there is none.
    """
    lines: defaultdict[str, defaultdict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    sources: defaultdict[str, set[int]] = defaultdict(set)
    seconds: dict[str, float] = {}
    # One that was interrupted has no contexts.
    for kept in sorted(RECORDS.glob("record-*/contexts.sqlite"), reverse=True):
        times = _times(kept.with_name("notes.jsonl"))
        new = times.keys() - seconds.keys()
        seconds |= {test: times[test] for test in new}
        for file, line, tests in _lines(kept.parent, times):
            sources[file].add(line)
            lines[file][line] |= tests & new
    if not seconds:
        raise NoRecordError
    return Reach(lines=lines, sources=sources, seconds=seconds)


def _times(notes: Path) -> dict[str, float]:
    seconds: defaultdict[str, float] = defaultdict(float)
    failed = set()
    for line in notes.read_text(encoding="utf-8").splitlines():
        note = json.loads(line)
        seconds[note["test"]] += note["s"]
        if note["failed"]:
            failed.add(note["test"])
    return {test: s for test, s in seconds.items() if test not in failed}


def _lines(kept: Path, tests: Iterable[str]) -> Iterator[tuple[str, int, set[str]]]:
    """Yield file, line now, and tests."""
    by_file: defaultdict[str, set[str]] = defaultdict(set)
    for test in tests:
        by_file[test.partition("::")[0]].add(test)
    data = coverage.CoverageData(basename=str(kept / "contexts.sqlite"))
    data.read()
    for measured in data.measured_files():
        file = measured.partition("/tree/")[2]
        if not (ROOT / file).is_file():
            continue
        now = _lines_now(kept / "tree" / file, ROOT / file)
        for line, contexts in data.contexts_by_lineno(measured).items():
            found: set[str] = set()
            for test, shared in map(_test, contexts):
                found |= by_file[test.partition("::")[0]] if shared else {test}
            if line in now:
                yield file, now[line], found
        # Lines that no test runs are known all the same.
        yield from ((file, line, set()) for line in now.values())


def _lines_now(before: Path, after: Path) -> dict[int, int]:
    """Return the line of each line that is still there."""
    old, new = (path.read_text(encoding="utf-8").split("\n") for path in (before, after))
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    return {b.a + i + 1: b.b + i + 1 for b in blocks for i in range(b.size)}


def _test(context: str) -> tuple[str, bool]:
    """Return the test of a context, and whether all tests of its file may have a share in it.

    A process that was started in a set-up may serve the whole file: only the first test is named then.

    >>> _test("tests/unit/test_x.py::test_y (call)"), _test("tests/unit/test_x.py::test_y (setup)")
    (('tests/unit/test_x.py::test_y', False), ('tests/unit/test_x.py::test_y', True))
    >>> _test("tests/unit/test_x.py::test_y[a b]")
    ('tests/unit/test_x.py::test_y[a b]', False)
    """
    started = STARTED.fullmatch(context)
    return (started["test"], started["phase"] == "setup") if started else (context, False)
