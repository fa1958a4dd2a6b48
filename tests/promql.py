"""Which metrics a PromQL expression reads, for the tests that hold rules against what exists.

Not a parser: strings, label matchers, offsets and label lists are taken out, and of the words that remain
those followed by `(` are functions and the rest, less PromQL's own words, are metrics.
"""

import re

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_MATCHERS = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
_LABEL_LISTS = re.compile(
    r"\b(?:(?:by|without|on|ignoring)\s*\([^)]*\)|group_(?:left|right)(?:\s*\([^)]*\))?)"
)
_OFFSETS = re.compile(r"\boffset\s+[^\s,)]+")
_WORDS = re.compile(r"(?<![\w.])[a-zA-Z_:][\w:]*\b(?!\s*\()")
_KEYWORDS = frozenset({"and", "or", "unless", "offset", "bool", "inf", "nan"})


def metric_names(expression: str) -> set[str]:
    """Return the metrics that the expression selects by name, recorded series included."""
    text = _STRINGS.sub('""', expression)
    text = _OFFSETS.sub("", _MATCHERS.sub("", text))
    text = _LABEL_LISTS.sub("", text)
    return {word for word in _WORDS.findall(text) if word.lower() not in _KEYWORDS}
