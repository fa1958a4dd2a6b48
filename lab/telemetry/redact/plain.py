"""Redaction of plain SQL: names, keywords, punctuation and blanks, without literals, comments and quotes.

Statements of one program differ in their literals and comments; the text between these is the same each time.
So it is redacted once, and the result is reused.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from lab.telemetry.redact.names import label
from lab.telemetry.redact.words import keywords

# As PostgreSQL's names: letters, digits, `_` and all beyond ASCII. A negated class of ASCII characters
# compiles to one bit map; a class with \x80-\U0010ffff takes 5 ms at each start, and is slower to match.
LETTER = r"[^\x00-@\[-^`{-\x7f]"
LETTER_OR_DIGIT = r"[^\x00-/:-@\[-^`{-\x7f]"
NAME = rf"{LETTER}[^\x00-#%-/:-@\[-^`{{-\x7f]*+"
# A name before a quote may be the prefix of a literal, as in `E'\n'`; a number may follow a plan's `SubPlan`.
PLAIN = rf"""
    (?:\s++
      | (?!(?:InitPlan|SubPlan)\ [0-9]){NAME}(?!&?['"])
      | [!#%&()*+,:;<=>?@\[\\\]^`{{|}}~\x00-\x08\x0e-\x1b\x7f] | /(?!\*) | -(?!-) | \.(?![0-9])
    )++"""
PART = re.compile(rf"(\s++)|({NAME})|(.)", re.DOTALL)
# SQL has at most two names in a row (a column and its alias or type), and one before the first keyword.
MOST_NAMES_IN_A_ROW = 2
REMEMBERED_CHARACTERS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Plain:
    """A redacted piece of plain SQL.

    Names in a row may begin before the piece and end after it, so both ends keep their parts apart.

    Attributes:
        lead: the parts up to the first keyword or punctuation mark; all, where there is none.
        lead_names: the indexes of names in `lead`.
        body: the redacted text from there to the last keyword or punctuation mark; None without one.
        trail: the parts after it.
        trail_names: the indexes of names in `trail`.
        first: the first word, lower-case; empty when there is none.
        has_keyword: whether one of the words is a keyword.
    """

    lead: tuple[str, ...]
    lead_names: tuple[int, ...]
    body: str | None
    trail: tuple[str, ...]
    trail_names: tuple[int, ...]
    first: str
    has_keyword: bool


def plain(text: str, *, is_sql: bool, follows_quote: bool) -> Plain:
    """Redact a text that matches `PLAIN`.

    Args:
        text: the text.
        is_sql: whether a keyword precedes it.
        follows_quote: whether a quote directly precedes it.
    """
    redact = _remembered if len(text) <= REMEMBERED_CHARACTERS else _redacted
    return redact(text, is_sql, follows_quote)


@lru_cache(maxsize=16_384)
def known_word(word: str) -> tuple[bool, str]:
    """Return whether a word is a keyword, and its redacted form."""
    return word.lower() in keywords(), label(word) or ""


def collapse(kept: list[str], names: list[int], *, is_sql: bool) -> None:
    """Replace names in a row that are not SQL, up to the end of `kept`: a literal without its quotes."""
    if len(names) > (MOST_NAMES_IN_A_ROW if is_sql else 1):
        kept[names[0] :] = ["? "]


def _redacted(text: str, is_sql: bool, follows_quote: bool) -> Plain:
    kept: list[str] = []
    names: list[int] = []
    lead: tuple[tuple[str, ...], tuple[int, ...]] | None = None
    first, has_keyword, cut = "", False, 0
    for part in PART.finditer(text):
        shown, word = part[0], part[2]
        if part[1]:
            kept.append(shown)
            continue
        is_keyword = False
        if word:
            first = first or word.lower()
            is_keyword, shown = known_word(word)
            if not is_keyword:
                # SQL has no name right after a literal: the quote before it did not end one.
                names.append(len(kept))
                kept.append("?" if follows_quote and not part.start() else shown)
                continue
        if lead is None:
            lead, kept = (tuple(kept), tuple(names)), []
        else:
            collapse(kept, names, is_sql=is_sql)
        names = []
        has_keyword |= is_keyword
        is_sql |= is_keyword
        kept.append(shown)
        cut = len(kept)
    if lead is None:
        lead = tuple(kept), tuple(names)
        kept, names, body = [], [], None
    else:
        body = "".join(kept[:cut])
    return Plain(
        lead=lead[0],
        lead_names=lead[1],
        body=body,
        trail=tuple(kept[cut:]),
        trail_names=tuple(index - cut for index in names),
        first=first,
        has_keyword=has_keyword,
    )


_remembered = lru_cache(maxsize=4_096)(_redacted)
