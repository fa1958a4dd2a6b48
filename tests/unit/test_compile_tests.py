"""The tests of a fresh clone are compiled once, before the processes that run them start."""

import subprocess
from pathlib import Path

import pytest

from lab.cli import test as command


def test_a_clone_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a file that cannot be collected is no obstacle: the run reports it."""
    folder = tmp_path / "tests" / "unit"
    folder.mkdir(parents=True)
    (folder / "test_one.py").write_text("def test_it():\n    assert True\n")
    (folder / "test_two.py").write_text("import missing_module\n")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setenv(command.NO_BYTECODE, "1")
    command._compile_tests()
    compiled = {file.name.partition(".")[0] for file in folder.rglob("*.pyc")}
    assert compiled >= {"test_one"}

    def called(**_: object) -> None:
        raise AssertionError("it is compiled already")

    monkeypatch.setattr(subprocess, "run", called)
    command._compile_tests()
