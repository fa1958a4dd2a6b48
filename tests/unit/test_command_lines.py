"""Every command line of README.md and docs/, as written: each is one that the command line understands."""

import re
import shlex
from collections.abc import Iterator

from lab.settings import ROOT
from tests.commands import all_commands

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A line of a code block, or a command between backticks.
LINES = re.compile(
    r"^ {4}((?:[A-Z_]+=\S+ )*\./creditlab [^\n]*)|`(\./creditlab [^`]+)`", re.MULTILINE
)
# What a document writes for something of the reader's own, and what stands for it here.
READERS_OWN = {
    "NAME": "idle-in-transaction", "[slowest|TRACE_ID|TRACEPARENT]": "slowest", "[--by": "--by",
    "time|calls|mean|rows|io]": "calls", "[--service": "--service", "S]": "customers",
}  # fmt: skip
# Their arguments are those of psql and pytest.
PASS_ON = {"psql", "test"}
COMMANDS = {command.name: command for command in all_commands()}


def lines() -> Iterator[tuple[str, list[str]]]:
    """Yield each command line with its document: the words behind `./creditlab`."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8").replace("\\|", "|")
        for block, inline in LINES.findall(text):
            line = (block or inline).partition(" #")[0].strip()
            # A statement of SQL goes on in the next line.
            words = shlex.split(line if line.count('"') % 2 == 0 else line + '"')
            words = words[words.index("./creditlab") + 1 :]
            yield document.name, [READERS_OWN.get(word, word) for word in words]


def test_the_search_finds_what_a_reader_would() -> None:
    found = {" ".join(words) for _, words in lines()}
    assert {"compare", "drill quiet --for 10m", "logs proposals -f", "up --load 5"} <= found


def test_every_command_line_of_the_documents_is_understood() -> None:
    """A command that was renamed, or an option that is gone, is found here."""
    for document, words in lines():
        name = next((n for n in (" ".join(words[:2]), words[0]) if n in COMMANDS), None)
        assert name or words == ["bench"], f"{document}: {words}: there is no such command"
        if name and name not in PASS_ON:
            COMMANDS[name].command.make_context(name, words[len(name.split()) :])
