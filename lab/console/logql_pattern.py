"""Patterns of LogQL (`=~`, `|~`): alternatives of literal text with `.*`, matched in linear time.

A regular expression of a client could take exponential time in Python. Grafana's variables and its query
builder produce no others than these.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from lab.foundation.errors import LabError


class LogQLError(LabError):
    """A query that is no LogQL, or uses a part of it that the console does not have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """Alternatives, each a sequence of literals with anything between them; whole texts or parts."""

    alternatives: tuple[tuple[str, ...], ...]
    ignores_case: bool = False

    @classmethod
    def of(cls, text: str) -> "Pattern":
        """Parse a pattern.

        Raises:
            LogQLError: when it has another operator of regular expressions.
        """
        ignores_case = text.startswith("(?i)")
        body = text.removeprefix("(?i)")
        if body.startswith("(") and body.endswith(")"):
            body = body[1:-1]
        found = tuple(tuple(_literals(part)) for part in _split(body))
        return cls(alternatives=found, ignores_case=ignores_case)

    def matches(self, text: str, *, whole: bool) -> bool:
        """Whether an alternative matches the text, or a part of it."""
        text = text.lower() if self.ignores_case else text
        return any(self._matches(parts, text, whole=whole) for parts in self.alternatives)

    def _matches(self, parts: tuple[str, ...], text: str, *, whole: bool) -> bool:
        parts = tuple(part.lower() for part in parts) if self.ignores_case else parts
        if len(parts) == 1:
            return text == parts[0] if whole else parts[0] in text
        at, end = 0, len(text)
        if whole:
            if not (text.startswith(parts[0]) and text.endswith(parts[-1])):
                return False
            at, end = len(parts[0]), len(text) - len(parts[-1])
            parts = parts[1:-1]
        for part in parts:
            found = text.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return at <= end


def _split(body: str) -> Iterator[str]:
    part, escaped = "", False
    for character in body:
        if character == "|" and not escaped:
            yield part
            part = ""
            continue
        part += character
        escaped = character == "\\" and not escaped
    yield part


def _literals(part: str) -> Iterator[str]:
    literal, at = "", 0
    while at < len(part):
        pair = part[at : at + 2]
        if pair in (".*", ".+"):
            yield literal
            literal = ""
            at += 2
        elif part[at] == "\\" and len(pair) > 1:
            literal += pair[1]
            at += 2
        elif part[at] in ".*+?()[]{}^$":
            raise LogQLError(
                f'LogQL: "{part[:40]}" is a regular expression; supported: literal texts, | and .*'
            )
        else:
            literal += part[at]
            at += 1
    yield literal
