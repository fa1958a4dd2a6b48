"""`bench start`: the start of a command beside that of its libraries."""

import json
from collections.abc import Callable

import pytest

from lab.bench.start import Start, _table, _words
from lab.cli import app
from lab.terminal.screen import out
from tests.commands import all_commands


def test_a_start_is_measured_beside_its_libraries(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The document has the CPU time of the requested command, of its libraries, and their ratio."""
    assert call("bench", "start", "--times", "1", "--only", "psql", "--json") == 0
    [found] = json.loads(capsys.readouterr().out)["starts"]
    assert found["command"] == "psql"
    assert found["ratio"] == round(found["cpu_s"] / found["floor_s"], 2)
    assert found["floor_s"] > 0


def test_every_command_is_measured() -> None:
    """Without --only each command of each group is started."""
    assert sorted(_words(app)) == sorted(command.name for command in all_commands())


def test_a_person_reads_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """The table has CPU seconds and the ratio."""
    out.print(_table([Start(command="status", cpu_s=0.3, floor_s=0.2)]))
    lines = [line.split() for line in capsys.readouterr().out.replace("\u2502", " ").splitlines()]
    assert ["status", "0.30", "0.20", "1.50"] in lines
