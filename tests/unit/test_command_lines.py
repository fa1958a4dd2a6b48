"""Every command line of README.md and docs/, as written: the command line parses it."""

from tests.command_lines import documented
from tests.commands import all_commands

# Their arguments are those of psql and pytest.
PASS_ON = {"psql", "test"}
COMMANDS = {command.name: command for command in all_commands()}


def test_the_command_lines_of_the_documents_are_found() -> None:
    found = {" ".join(line.words) for line in documented()}
    assert {"compare", "drill quiet --for 10m", "logs proposals -f", "up --load 5"} <= found
    assert {"DD_API_KEY"} <= {name for line in documented() for name in line.variables}
    assert any(words[:2] == ("psql", "-c") for words in (line.words for line in documented()))


def test_every_command_line_of_the_documents_is_parsed() -> None:
    """A command that was renamed, or an option that was removed, fails."""
    for line in documented():
        words = list(line.words)
        name = next((n for n in (" ".join(words[:2]), words[0]) if n in COMMANDS), None)
        assert name or words == ["bench"], f"{line}: there is no such command"
        if name and name not in PASS_ON:
            COMMANDS[name].command.make_context(name, words[len(name.split()) :])
