"""Command lines of README.md and docs/: found in code blocks and between backticks, split into words."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lab.foundation.settings import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A line of a code block, or a command between backticks.
LINES = re.compile(
    r"^ {4}((?:[A-Z_]+=\S+ )*\./creditlab [^\n]*)|`((?:[A-Z_]+=\S+ )*\./creditlab [^`]+)`",
    re.MULTILINE,
)
# Placeholders of the documents, and the values that replace them.
PLACEHOLDERS = {
    "NAME": "idle-in-transaction", "QUERYID|NAME": "customer_history", "SERVICE": "risk", "FILE": "m.html",
    "NUMBER": "1", "DIRECTORY": "recording",
    "[slowest|TRACE_ID|TRACEPARENT]": "slowest", "[--by": "--by", "time|calls|mean|rows|io]": "calls",
    "[--service": "--service", "S]": "customers",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """One command line of a document: `words` follow `./creditlab`, `variables` precede it."""

    document: str
    words: tuple[str, ...]
    variables: Mapping[str, str]


def documented() -> Iterator[CommandLine]:
    """Yield each command line of the documents, placeholders replaced."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8").replace("\\|", "|")
        for found in LINES.finditer(text):
            line = found[found.lastindex or 1].partition(" #")[0].strip()
            # The shell's redirection into a file.
            line = re.sub(r" > [a-z]+\.json$", "", line)
            if line.count('"') % 2:
                # A statement of SQL continues on the following lines.
                start = text.index(line, found.start()) + len(line)
                line += text[start : text.index('"', start) + 1]
            yield _split(line, document=document.relative_to(ROOT).as_posix())


def _split(line: str, *, document: str) -> CommandLine:
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(line)]
    program = words.index("./creditlab")
    variables = dict(word.split("=", 1) for word in words[:program])
    words = words[program + 1 :]
    return CommandLine(document=document, words=tuple(words), variables=variables)
