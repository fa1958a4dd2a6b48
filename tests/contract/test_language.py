"""Words that do not belong in the project's prose: riddles and personification in place of the field's terms.

For each word the manuals of PostgreSQL, Prometheus and Datadog have a term that readers search for. Add a
folder to `PROSE` once its texts are in that vocabulary. Code, commands and quoted output are not prose; of a
Python file, comments and strings are.
"""

import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.foundation.settings import ROOT

# What is checked: files, and folders with the endings of their files.
PROSE: Mapping[str, tuple[str, ...]] = {
    "README.md": (), "CONTRIBUTING.md": (), "SECURITY.md": (), "grafana/README.md": (), "locks/README.md": (),
    "docs": (".md",), "creditlab": (),
    "lab/bootstrap": (".py",), "lab/clients": (".py",), "lab/datadog": (".py",), "lab/foundation": (".py",),
    "lab/seed": (".py",), "lab/stack": (".py",), "lab/telemetry": (".py", ".sql"), "lab/terminal": (".py",),
    "lab/compare": (".py", ".html"),
    "lab/console": (".py", ".html", ".js"),
    "lab/doctor": (".py",),
    "lab/drilldown": (".py", ".sql"),
    "lab/judge": (".py",),
    "lab/verify": (".py", ".sql"),
    "lab/drills": (".py", ".html"), "lab/mcp": (".py", ".sql"), "lab/cli": (".py",), "lab/bench": (".py",),
    "workload": (".py", ".sql", ".html"), "grafana/generator": (".py",), "k8s": (".py",),
}  # fmt: skip
# Each word or phrase, as a regular expression between word boundaries, and what to write.
WORDS: Mapping[str, str] = {
    r"tells?|told": "reports, shows, indicates",
    r"heard|hearing of": "received",
    r"mend(s|ed|ing)?": "fix",
    r"reckon(s|ed|ing)?": "calculate",
    r"anew|afresh": "again; refreshed",
    r"whoever|somebody|anybody|everybody": "a session, a user, a role",
    r"goes dark|gone dark|dark without": "no data, unavailable",
    r"(holds?|held|hold) [^.|]{0,40}\bagainst\b": "compare with",
    r"(a|the|one|each|its|DBM's|of|longer|last|next) looks?": "activity sample, reading",
    r"looks? (at|twice|for themselves|as under)": "samples, reads, checks",
    r"dead rows": "dead tuples",
    r"blocks asked for": "blocks requested",
    r"rows thrown away": "rows removed by filter",
    r"(is|was|are|were|what is|than was|been) asked (for|of)": "target rate, requested",
    r"attempts made again|tried again": "retries",
    r"lateness|late starts?|starts? late": "start delay",
    r"the books": "totals; verify",
    r"made[- ]up|makes? up": "synthetic",
    r"on purpose": "deliberate; inject",
    r"quiet (minutes?|lab|machine|hour)|(minutes?|stays?|stay) (of )?quiet": "without a fault; idle",
    r"thousand million": "billion",
    r"stands? (at|in|on|still|beside|beneath|there|up)": "is",
    r"blind(ed|s)?|gone blind": "without data",
    r"broken on purpose|break it": "inject a fault",
    r"(says|said|say) (so|that|which|whose|how|why|what|for|with|of)": "reports, states, shows",
    r"for want of": "without",
    r"nobody|no one": "no session, no user, no thread",
    r"ours": "name the component",
    r"false alarms?": "false positive",
    r"dearest|worst node": "most expensive node, slowest node",
    r"between the two\b(?!\s+(moments|times|readings|rows|labels))": "network and driver",
    r"goes on|go on|went on": "continues",
    r"gone over": "ignored",
    r"innocent|to blame|blames?": "cause, not the cause",
}
# Places where a word of the list is right: the line's text, and why.
ALLOWED: Mapping[str, str] = {
    "so that nobody pays for it": "a person in the shop, not a component",
    "ExporterBlind": "the name of an alert",
    "blind spots": "a term of observability",
    "blind-spots": "the name of a document",
    "Blind spots": "a term of observability",
    "blind-spot matrix": "the same",
    "Colour-blind": "a property of palettes",
    '"nobody"': "a user of the operating system",
    "Blind-spot matrix": "the same",
    "user nobody": "a user of the operating system",
    "ours=3": "a field of `datadog push --json`",
}
CODE_BLOCK = re.compile(r"^(```|~~~).*?^\1[ ]*$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?: {4}[^\n]*\n+)+")
# Code in a line; the target of a link; quoted output.
NOT_PROSE = re.compile(r"`[^`\n]+`|\]\([^)\s]+\)|\"[^\"\n]+\"")
MARKUP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|<[^>]*>", re.DOTALL)
DIALECT = re.compile("|".join(rf"\b(?:{word})\b" for word in WORDS), re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A word of the list in a line of a file."""

    place: str
    word: str
    instead: str

    def __str__(self) -> str:
        return f'{self.place}: "{self.word}"; write: {self.instead}'


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])


def without_allowed(text: str) -> str:
    """Return a text with the allowed phrases replaced by blanks."""
    for phrase in ALLOWED:
        text = text.replace(phrase, " " * len(phrase))
    return text


def prose(text: str) -> str:
    """Return a Markdown text with its code replaced by blanks, so that lines keep their numbers."""
    for pattern in (CODE_BLOCK, INDENTED):
        text = pattern.sub(_blank, text)
    text = without_allowed(text)
    return NOT_PROSE.sub(_blank, text)


def python_prose(text: str) -> str:
    """Return the comments and strings of a Python file, on their lines."""
    lines = [""] * (text.count("\n") + 2)
    kinds = {
        tokenize.COMMENT,
        tokenize.STRING,
        getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING),
    }
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in kinds:
            for number, line in enumerate(token.string.split("\n"), token.start[0] - 1):
                lines[number] += f" {line}"
    return without_allowed("\n".join(lines))


def words_of(text: str, suffix: str) -> str:
    """Return the prose of a file with this ending."""
    match suffix:
        case ".py":
            return python_prose(text)
        case ".html":
            return MARKUP.sub(_blank, without_allowed(text))
        case ".sql" | ".js":
            return text
        case _:
            return prose(text)


def findings(text: str, place: str, suffix: str = ".md") -> Iterator[Finding]:
    """Yield each word of the list in a text, also across the end of a line."""
    words = words_of(text, suffix)
    for found in DIALECT.finditer(re.sub(r"\n(?=[^\n])", " ", words)):
        line = words.count("\n", 0, found.start()) + 1
        instead = next(
            use for word, use in WORDS.items() if re.fullmatch(word, found[0], re.IGNORECASE)
        )
        yield Finding(place=f"{place}:{line}", word=found[0], instead=instead)


def files() -> Iterator[Path]:
    """Yield the files whose prose is checked; the Portuguese guides have another vocabulary."""
    for name, endings in PROSE.items():
        path = ROOT / name
        if path.is_file():
            yield path
        else:
            yield from sorted(
                file
                for file in path.rglob("*")
                if file.suffix in endings and "pt-BR" not in file.parts
            )


@pytest.mark.parametrize("file", list(files()), ids=lambda file: str(file.relative_to(ROOT)))
def test_prose_uses_the_terms_of_the_field(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    place = str(file.relative_to(ROOT))
    found = [str(finding) for finding in findings(text, place, file.suffix)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("The log told of it.", "told"),
        ("what DBM was\ntold about", "told"),
        ("statement that mends it", "mends"),
        ("It holds every name\nagainst a scrape.", "holds every name against"),
        ("Dead rows pile up.", "Dead rows"),
        ("a session that somebody keeps", "somebody"),
    ],
)
def test_a_word_of_the_list_is_found(text: str, word: str) -> None:
    assert [finding.word for finding in findings(text, "x")] == [word]


@pytest.mark.parametrize(
    "text",
    [
        "The metric `told_total` counts.",
        "It prints:\n\n    nobody told\n\nDone.",
        "```\nnobody told\n```",
        'It prints "no Agent told it".',
        "A stolid, untold, amended value with a quietly rising counter.",
        "The alert ExporterBlind fires.",
    ],
)
def test_code_output_and_other_words_are_no_finding(text: str) -> None:
    assert not list(findings(text, "x"))


@pytest.mark.parametrize("phrase", ALLOWED)
def test_every_exception_is_needed(phrase: str) -> None:
    assert any(phrase in file.read_text(encoding="utf-8") for file in files())


def test_of_a_python_file_comments_and_strings_are_read() -> None:
    text = 'def told(nobody: int) -> None:\n    """It\n    tells."""\n    print("mend")  # anew\n'
    found = [(finding.place, finding.word) for finding in findings(text, "x", ".py")]
    assert found == [("x:3", "tells"), ("x:4", "mend"), ("x:4", "anew")]
