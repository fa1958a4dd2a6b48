"""Mutations of query texts: comparisons, boundaries, AND and OR, NOT, order, aggregates, joins, numbers.

Made on the text, since a statement is a file of its own here, or a string in Python.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# What holds one of these is a statement, or a condition of one.
QUERY = re.compile(
    r"\b(SELECT|INSERT INTO|DELETE FROM|UPDATE \w+ SET|WHERE|ORDER BY|GROUP BY|PRAGMA|IS (NOT )?NULL)\b"
    r"|[<>=] ?(\?|%s|%\(|:[a-z])|\b(AND|OR) \w+ ?[<>=]|\b(sum|max|rate|increase) ?(by \(.*\) ?)?\("
)
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
# The word BETWEEN has an AND of its own; `=>` names an argument, and `->` takes a field.
REPLACEMENTS: tuple[tuple[str, str], ...] = (
    (r"(?<= )>=(?= )", ">"),
    (r"(?<= )<=(?= )", "<"),
    (r"(?<= )>(?= )", ">="),
    (r"(?<= )<(?= )", "<="),
    (r"(?<= )(<>|!=)(?= )", "="),
    (r"(?<= )=(?= )", "<>"),
    (r"(?<!BETWEEN \?)(?<!BETWEEN %s)\bAND\b", "OR"),
    (r"\bOR\b(?! REPLACE)", "AND"),
    (r"\bIS NOT NULL\b", "IS NULL"),
    (r"\bIS NULL\b", "IS NOT NULL"),
    (r"\bNOT (?=EXISTS|IN\b|LIKE\b)", ""),
    (r" DESC\b", ""),
    (r"\bDISTINCT (?!ON)", ""),
    (r"\bsum\(", "max("),
    (r"\bmax\(", "min("),
    (r"\bmin\(", "max("),
    (r"\bavg\(", "max("),
    (r"\bLEFT JOIN\b", "JOIN"),
    (r"\bUNION ALL\b", "UNION"),
    (r" FOR UPDATE\b( SKIP LOCKED)?", ""),
    (r" SKIP LOCKED\b", ""),
    (r"(?<=[ (])\d+(?=[ ,);\n])", "+1"),
)


@dataclass(frozen=True, kw_only=True)
class Change:
    """A piece of a text, from `begin` to `end`, and what takes its place."""

    begin: int
    end: int
    replacement: str


def is_query(text: str) -> bool:
    """Whether a text is a query, or a part of one.

    >>> is_query("kind = 'sql' AND start_ns >= ?"), is_query("One of them, or none.")
    (True, False)
    """
    return QUERY.search(text) is not None


def changes(text: str) -> Iterator[Change]:
    """Yield every mutation of a query's text; comments are left alone.

    >>> [(c.begin, c.replacement) for c in changes("SELECT a WHERE b >= 5 AND c -- AND d")]
    [(17, '>'), (22, 'OR'), (20, '6')]
    """
    comments = [found.span() for found in COMMENT.finditer(text)]
    for pattern, replacement in REPLACEMENTS:
        for found in re.finditer(pattern, text):
            if any(begin <= found.start() < end for begin, end in comments):
                continue
            new = str(int(found[0]) + 1) if replacement == "+1" else replacement
            yield Change(begin=found.start(), end=found.end(), replacement=new)
