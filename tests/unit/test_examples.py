"""The examples in docstrings, all of them: what is shown to a reader is what comes out."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from lab.foundation.settings import ROOT

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in ("lab", "workload")
    for path in Path(ROOT, package).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    """There are some, and each gives what it says."""
    failed, attempted = doctest.testmod(import_module(name))
    assert (failed, attempted > 0) == (0, True)
