"""Patterns of LogQL (`=~`, `|~`): alternatives of literal text with `.*` and `.+`, matched in linear time.

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
    """Alternatives, each a sequence of literals, with the least number of characters before each: 0 or more.

    The first one has 0: it begins the text, or is anywhere in it.
    """

    alternatives: tuple[tuple[tuple[int, str], ...], ...]
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

    def _matches(self, parts: tuple[tuple[int, str], ...], text: str, *, whole: bool) -> bool:
        if self.ignores_case:
            parts = tuple((gap, part.lower()) for gap, part in parts)
        [(_, first), *others] = parts
        if whole and not others:
            return text == first
        end = len(text)
        if whole:
            gap, last = others.pop()
            if not text.endswith(last):
                return False
            others.append((gap, ""))
            end -= len(last)
        # The leftmost match of a literal leaves the most for those that follow.
        found = text.find(first, 0, len(first) if whole else end)
        at = found + len(first)
        for gap, part in others:
            if found < 0:
                break
            found = text.find(part, at + gap, end)
            at = found + len(part)
        return found >= 0


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


def _literals(part: str) -> Iterator[tuple[int, str]]:
    literal, gap, at = "", 0, 0
    while at < len(part):
        pair = part[at : at + 2]
        if pair in (".*", ".+"):
            yield gap, literal
            literal, gap = "", int(pair == ".+")
            at += 2
        elif part[at] == "\\" and len(pair) > 1:
            literal += pair[1]
            at += 2
        elif part[at] in ".*+?()[]{}^$":
            raise LogQLError(
                f'LogQL: "{part[:40]}" is a regular expression; supported: literal texts, |, .* and .+'
            )
        else:
            literal += part[at]
            at += 1
    yield gap, literal
