"""PostgreSQL's lexical rules, as far as they decide where a literal begins and ends.

Written here rather than taken from a SQL parser: parsers refuse what they do not know, and a statement cut
at track_activity_query_size is no SQL at all. This never refuses. What is not closed is a literal up to the
end, and every literal becomes `?`. Source of the rules: "Lexical Structure" in PostgreSQL's documentation;
standard_conforming_strings is taken to be on, its default since 9.1.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from lab.redact.comments import Comment, comments

TOKEN = re.compile(
    r"""
      (?P<space>\s++)
    | (?P<line_comment>--[^\r\n]*+)
    | (?P<comment>/\*)
    # An escape string goes on after a line break, in the same mode; other strings need no such rule,
    # because their continuation is a string again.
    | (?P<escape>[eE]'(?:[^'\\]|\\.|'')*+(?:'|\Z|\\\Z)
        (?:(?=[^\S\r\n]*+(?:--|[\r\n]))(?:\s++|--[^\r\n]*+)*+'(?:[^'\\]|\\.|'')*+(?:'|\Z|\\\Z))*+)
    | (?P<string>(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*+(?:'|\Z))
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*+(?:"|\Z))
    | (?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*+)
    | (?P<parameter>\$[0-9]++)
    | (?P<dollar>\$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*+)?)\$
        (?:.*?\$(?P=tag)\$|.*+))
    # Greedy on purpose: 0x1F, 1_000, 1.5e-3 and whatever else begins with a digit.
    | (?P<number>\.?[0-9](?:[eE][+-][0-9]|[A-Za-z0-9_.])*+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
COMMENT_EDGE = re.compile(r"/\*|\*/")
IDENTIFIER = re.compile(r'"[A-Za-z_][A-Za-z0-9_$]*"')
LITERALS = frozenset({"escape", "string", "dollar", "number"})
MAX_CHARACTERS = 1_000_000
REMEMBERED_CHARACTERS = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Redacted:
    """A statement without literals and comments, and what the comments said."""

    text: str
    comment: Comment


def statement(text: str) -> Redacted:
    """Replace every literal by `?`, and take the comments out after reading them.

    Also for an expression of a plan, such as `(cpf = '39053344705'::bpchar)`. Beyond a million characters
    the text is cut.

    >>> statement("SELECT name FROM customers WHERE cpf = '39053344705' LIMIT 1").text
    'SELECT name FROM customers WHERE cpf = ? LIMIT ?'
    """
    text = text[:MAX_CHARACTERS]
    return _remembered(text) if len(text) <= REMEMBERED_CHARACTERS else _lex(text)


def _lex(text: str) -> Redacted:
    kept: list[str] = []
    bodies: list[str] = []
    position = 0
    while token := TOKEN.match(text, position):
        kind, position = token.lastgroup, token.end()
        if kind == "comment":
            position = _end_of_comment(text, position)
            bodies.append(text[token.end() : position])
            kept.append(" ")
        elif kind == "line_comment":
            bodies.append(token[0])
        elif kind in LITERALS:
            kept.append("?")
        elif kind == "quoted":
            kept.append(token[0] if IDENTIFIER.fullmatch(token[0]) else '"?"')
        else:
            kept.append(token[0])
    return Redacted(text="".join(kept).strip(), comment=comments(bodies))


_remembered = lru_cache(maxsize=2048)(_lex)


def _end_of_comment(text: str, position: int) -> int:
    """Comments nest; one that is not closed goes to the end."""
    depth = 1
    while depth:
        edge = COMMENT_EDGE.search(text, position)
        if edge is None:
            return len(text)
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return position
