"""Only lab/foundation/clock.py reads the wall clock, so that tests can give every comparison another now."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.foundation import clock
from lab.foundation.settings import ROOT
from lab.foundation.timestamps import NS_PER_S

READS = {
    "time.asctime", "time.clock_gettime", "time.clock_gettime_ns", "time.ctime", "time.gmtime",
    "time.localtime", "time.strftime", "time.time", "time.time_ns", "datetime.date.today",
    "datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow",
}  # fmt: skip
EXCEPTIONS = {
    "lab/foundation/clock.py": "the one source",
    "lab/telemetry/check/process.py": "a process without the lab's code; a start time that the check reports",
    "workload/clocks.py": "the time of an exemplar, which Prometheus compares with its own",
    "workload/engine.py": "the phase of the load's shape, which replicas share; compared with no record",
    "workload/services/underwriting.py": "the day of a decision, as a bank's application reads it",
}


def reads(source: str) -> Iterator[int]:
    """Yield the line of every reference to a function that reads the wall clock, by any import."""
    tree = ast.parse(source)
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {n.asname or n.name: n.name for n in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {n.asname or n.name: f"{node.module}.{n.name}" for n in node.names}

    def name(node: ast.AST) -> str:
        if isinstance(node, ast.Attribute):
            return f"{name(node.value)}.{node.attr}"
        return imported.get(node.id, "") if isinstance(node, ast.Name) else ""

    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and name(node) in READS:
            yield node.lineno


def files() -> list[Path]:
    return sorted(path for folder in ("lab", "workload") for path in (ROOT / folder).rglob("*.py"))


def test_only_one_module_reads_the_wall_clock() -> None:
    """Every other module asks lab.foundation.clock; an exception is listed with its reason, and is one."""
    found = {
        path.relative_to(ROOT).as_posix(): lines
        for path in files()
        if (lines := list(reads(path.read_text(encoding="utf-8"))))
    }
    assert {file: lines for file, lines in found.items() if file not in EXCEPTIONS} == {}
    assert EXCEPTIONS.keys() == found.keys()


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.time()",
        "import time as t\nt.time_ns()",
        "from time import time\ntime()",
        "from datetime import UTC, datetime\ndatetime.now(UTC)",
        "import datetime\ndatetime.date.today()",
        "import time\nread = time.time_ns",
    ],
)
def test_every_way_of_reading_it_is_found(source: str) -> None:
    assert list(reads(source)) == [2]


def test_other_clocks_and_other_peoples_now_are_not_meant() -> None:
    source = "import time\nfrom lab import clock, processors\ntime.monotonic()\nclock.now()\nprocessors.now()"
    assert list(reads(source)) == []


def test_no_tests_name_has_the_time_at_which_it_was_collected(
    request: pytest.FixtureRequest,
) -> None:
    """Processes that share the tests collect at different moments, and must find the same names."""
    # In any unit, to some 1,000 seconds; a session takes a while until it is here.
    times = {str(clock.now_ns() - ago * NS_PER_S)[:7] for ago in (0, 900)}
    names = [item.nodeid for item in request.session.items]
    assert [name for name in names if any(time in name for time in times)] == []
