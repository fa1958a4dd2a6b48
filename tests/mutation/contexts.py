"""A pytest plugin: coverage.py learns which test runs; notes how long each took, and whether it failed.

Loaded with `-p tests.mutation.contexts` by tests/mutation/reach.py, in each process that runs tests.
"""

import json
import os
from collections.abc import Iterator

import coverage
import pytest

# Where the notes go: one line of JSON for each test.
NOTES = "MUTATION_NOTES"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Attribute the lines that run until the test's end, fixtures included, to the test."""
    measured = coverage.Coverage.current()
    assert measured, "coverage.py does not measure this process"
    measured.switch_context(item.nodeid)
    try:
        return (yield)
    finally:
        measured.switch_context("")


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Note a phase of a test."""
    note = {"test": item.nodeid, "s": round(call.duration, 3), "failed": bool(call.excinfo)}
    with open(os.environ[NOTES], "a", encoding="utf-8") as notes:  # noqa: PTH123 - one write, appended
        notes.write(json.dumps(note) + "\n")
