"""Redaction of error messages: keeps PostgreSQL's own texts, and nothing that an application wrote.

A message is kept when all of it matches a template of the server for its SQLSTATE (data/server_messages.txt);
otherwise `?` replaces it, and only its SQLSTATE and severity are stored. A placeholder's value is kept by the
rule for names when it follows a noun for a kind of object (`relation "%s"`); any other becomes `?`. RAISE and
ASSERT can choose both SQLSTATE and text: the CONTEXT identifies them. DETAIL, HINT and CONTEXT are never
stored: they quote rows.
"""

import os
import re
from dataclasses import dataclass
from functools import cache, lru_cache

from lab.telemetry.redact.names import hashed, label
from lab.telemetry.redact.words import keywords, server_messages

NOUN = re.compile(
    r"\b(?:column|constraint|relation|table|index|view|sequence|schema|database|role|user|group|function|procedure"
    r"|routine|aggregate|trigger|type|domain|parameter|extension|rule|policy|operator|tablespace|cursor|portal"
    "|savepoint|publication|subscription|language|collation|server|attribute|partition|reference|name"
    "|owner of)"
    r' "?(?:[a-z_][a-z0-9_$]*+\.)?\Z',
    re.IGNORECASE,
)
IDENTIFIER = re.compile(r"[A-Za-zÀ-ÖØ-öø-ɏ_][A-Za-z0-9À-ÖØ-öø-ɏ_$.]{0,127}")
# Of types and functions: `timestamp with time zone`, `lower(integer)`.
SIGNATURE = re.compile(
    r"[A-Za-z_][A-Za-z0-9_$. ]{0,127}(?:\([A-Za-z0-9_$., \[\]]{0,200}\))?(?:\[\])?", re.ASCII
)
PLACEHOLDER = re.compile("%([sdm%])")
RAISED_BY_USERS = frozenset({"P0001", "P0004", "00000"})
# The end of a CONTEXT line of PL/pgSQL's RAISE; other languages do not report the statement that raised.
RAISED = re.compile(r" at (?:RAISE|ASSERT)$|^(?:PL/(?!pgSQL )|.* in PL/)", re.MULTILINE)
ANY_SQLSTATE = "*"
LEAST_SIZE = 10
MAX_CHARACTERS = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A message of the server: constant `parts`, with a placeholder of `kinds` between any two."""

    parts: tuple[str, ...]
    kinds: tuple[str, ...]
    size: int

    def captured(self, message: str) -> list[str] | None:
        """Return the placeholders' values when the whole message matches, else None; in linear time."""
        first, *middle = self.parts
        if not middle:
            return [] if message == first else None
        last = middle.pop()
        end = len(message) - len(last)
        if not (message.startswith(first) and message.endswith(last)) or end < len(first):
            return None
        found, position = [], len(first)
        for part in middle:
            at = message.find(part, position, end)
            if at < 0:
                return None
            found.append(message[position:at])
            position = at + len(part)
        return [*found, message[position:end]]

    def rendered(self, captured: list[str]) -> str:
        """Return the message with names by the rule for names, and `?` for every other value."""
        text = self.parts[0]
        for kind, value, part in zip(self.kinds, captured, self.parts[1:], strict=True):
            text += _filled(kind, value, before=text) + part
        return text


def error_message(message: str, sqlstate: str | None = None, context: str | None = None) -> str:
    """Redact a primary message; `?` when it is not certain to be PostgreSQL's.

    >>> error_message('duplicate key value violates unique constraint "customers_cpf_key"', "23505")
    'duplicate key value violates unique constraint "customers_cpf_key"'
    >>> error_message('invalid input syntax for type integer: "Maria da Silva"', "22P02")
    'invalid input syntax for type integer: "?"'
    >>> error_message("Maria da Silva owes us", "23505")
    '?'
    """
    if sqlstate is None or sqlstate in RAISED_BY_USERS or is_raised(context):
        return "?"
    return _known(message, sqlstate) if len(message) <= MAX_CHARACTERS else "?"


def is_raised(context: str | None) -> bool:
    """Whether a CONTEXT shows that the application wrote the message: RAISE, ASSERT, or another language."""
    return bool(context) and RAISED.search(str(context)) is not None


@lru_cache(maxsize=2_048)
def _known(message: str, sqlstate: str) -> str:
    for template in _candidates(sqlstate, message.partition(" ")[0]):
        captured = template.captured(message)
        if captured is not None:
            return template.rendered(captured)
    return "?"


def _candidates(sqlstate: str, word: str) -> list[Template]:
    """Return the templates that may match, those with the longest constant text first."""
    keys = [(code, first) for code in (sqlstate, ANY_SQLSTATE) for first in (word, None)]
    return sorted((t for key in keys for t in _templates().get(key, ())), key=lambda t: -t.size)


@cache
def _templates() -> dict[tuple[str, str | None], list[Template]]:
    """Return templates by SQLSTATE and first word (None: a placeholder), without any that match all texts."""
    found: dict[tuple[str, str | None], list[Template]] = {}
    for sqlstate, text in server_messages():
        template = _template(text)
        first, blank, _ = template.parts[0].partition(" ")
        word = first if blank or not template.kinds else None
        if template.size >= LEAST_SIZE or not template.kinds:
            found.setdefault((sqlstate, word), []).append(template)
    return found


def _template(text: str) -> Template:
    parts, kinds, position = [""], [], 0
    for hole in PLACEHOLDER.finditer(text):
        parts[-1] += text[position : hole.start()]
        position = hole.end()
        if hole[1] == "%":
            parts[-1] += "%"
        else:
            kinds.append(hole[1])
            parts.append("")
    parts[-1] += text[position:]
    return Template(parts=tuple(parts), kinds=tuple(kinds), size=sum(map(len, parts)))


def _filled(kind: str, value: str, *, before: str) -> str:
    if kind == "m":
        return value if value in _system_errors() else "?"
    if _is_keywords(kind, value, before):
        return value
    if kind == "d" or not value or NOUN.search(before) is None:
        return "?"
    if before.endswith('"'):
        return label(value) or "?" if IDENTIFIER.fullmatch(value) else hashed(value)
    return label(value) or "?" if SIGNATURE.fullmatch(value) else "?"


def _is_keywords(kind: str, value: str, before: str) -> bool:
    """Whether `DECLARE CURSOR` of `DECLARE CURSOR can only be used in ...`, `FROM` of `at or near "FROM"`."""
    is_value = before.endswith('"') and not before.endswith('at or near "')
    words = value.lower().split()
    return kind == "s" and value.isupper() and not is_value and keywords().issuperset(words)


@cache
def _system_errors() -> frozenset[str]:
    return frozenset(os.strerror(number) for number in range(1, 134))
