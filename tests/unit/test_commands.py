"""Commands are loaded by their group when they are called; the group's own line is their docstring's."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from lab.cli import app
from lab.terminal.commands import CommandGroup, LazyCommand


def declared(group: CommandGroup) -> Iterator[LazyCommand]:
    for command in group.commands.values():
        assert isinstance(command, LazyCommand)
        yield command
        if isinstance(loaded := command.load(), CommandGroup):
            yield from declared(loaded)


@pytest.mark.parametrize("command", [*declared(app)], ids=lambda command: command.name)
def test_the_line_of_a_command_is_what_its_function_says(command: LazyCommand) -> None:
    loaded = command.load()
    assert loaded.help
    first = loaded.help.partition("\n\n")[0]
    assert command.help == first


@pytest.mark.parametrize("command", [*declared(app)], ids=lambda command: command.name)
def test_a_paragraph_of_help_is_one_line(command: LazyCommand) -> None:
    """The terminal breaks it, not the source."""
    paragraphs = (command.load().help or "").split("\n\n")
    assert [paragraph for paragraph in paragraphs if "\n" in paragraph] == []


@pytest.mark.parametrize("arguments", [["--help"], ["drill", "--help"], ["bench", "--help"]])
def test_help_of_a_group_imports_no_command(arguments: list[str]) -> None:
    """Nor what commands need: settings, the driver, the store."""
    program = (
        "import sys, lab.cli\n"
        f"try: lab.cli.app.main({arguments!r}, prog_name='creditlab')\n"
        "except SystemExit: print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {
        "lab.cli.up",
        "lab.cli.drill.run",
        "lab.bench.seed",
        "lab.foundation.settings",
        "psycopg2",
        "mcp",
    }


@pytest.mark.parametrize("command", [*declared(app)], ids=lambda command: command.name)
def test_every_parameter_is_explained_and_a_default_duration_has_its_unit(
    command: LazyCommand,
) -> None:
    """The help of an option TIME shows 10m, not the number of seconds that the function receives."""
    for parameter in command.load().params:
        assert getattr(parameter, "help", None), parameter.name
        if parameter.metavar == "TIME" and isinstance(parameter.default, float):
            assert isinstance(getattr(parameter, "show_default", None), str), parameter.name
