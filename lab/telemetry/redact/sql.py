"""Redaction of SQL: a lexer with PostgreSQL's rules for where a literal begins and ends.

Not a SQL parser: parsers reject unknown syntax, and a statement truncated at track_activity_query_size is
not valid SQL. This lexer rejects nothing: an unclosed literal extends to the end of the text, and every
literal becomes `?`. Source of the rules: "Lexical Structure" in PostgreSQL's documentation, with
standard_conforming_strings on, its default since 9.1.
"""

import re
import sys
from dataclasses import dataclass
from functools import lru_cache

from lab.telemetry.redact.names import hashed, label
from lab.telemetry.redact.plain import (
    LETTER,
    LETTER_OR_DIGIT,
    NAME,
    PLAIN,
    collapse,
    known_word,
    plain,
)
from lab.telemetry.redact.sqlcommenter import Comment, comments

TOKENS = rf"""
      (?P<space>\s++)
    | (?P<line_comment>--[^\r\n]*+)
    | (?P<comment>/\*)
    # An escape string continues after a line break, in the same mode; other strings need no such rule,
    # because their continuation is a string again.
    | (?P<escape>[eE]'(?:[^'\\]|\\.|'')*+(?:'|\Z|\\\Z)
        (?:(?=[^\S\r\n]*+(?:--|[\r\n]))(?:\s++|--[^\r\n]*+)*+'(?:[^'\\]|\\.|'')*+(?:'|\Z|\\\Z))*+)
    | (?P<string>(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*+(?:'|\Z))
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*+(?:"|\Z))
    # A plan's numbers of subplans, to which its conditions refer.
    | (?P<subplan>\b(?:InitPlan|SubPlan)\ [0-9]{{1,3}}(?![\w.]))
    | (?P<word>{NAME})
    | (?P<parameter>\$[0-9]{{1,5}}+(?![0-9]))
    | (?P<dollar>\$(?P<tag>(?:{LETTER}{LETTER_OR_DIGIT}*+)?)\$
        (?:.*?\$(?P=tag)\$|.*+))
    # Greedy: 0x1F, 1_000, 1.5e-3 and any other text that begins with a digit.
    | (?P<number>\.?[0-9](?:[eE][+-][0-9]|[A-Za-z0-9_.])*+)
    | (?P<other>.)
"""
TOKEN = re.compile(TOKENS, re.VERBOSE | re.DOTALL)
# Several tokens at once where they need no literal's rules.
PLAIN_OR_TOKEN = re.compile(rf"(?P<plain>{PLAIN}) | {TOKENS}", re.VERBOSE | re.DOTALL)
COMMENT_EDGE = re.compile(r"/\*|\*/")
# With standard_conforming_strings off, a quote after a backslash does not end a string. So the text after a
# string that ends with a backslash is uncertain; `ESCAPE '\'` is a common exception.
UNCERTAIN = re.compile(r"(?<!\\)(?:\\\\)*+\\'\Z")
BACKSLASH = "'\\'"
AFTER_BACKSLASH = re.compile(
    r"\s*+(?:\Z|[);,]|(?:AND|OR|ORDER|GROUP|LIMIT|THEN|END|UNION|RETURNING)\b)", re.IGNORECASE
)
END_OF_COPY = re.compile(r"[;\r\n]")
UNICODE_ESCAPE = re.compile(r"\\(?:([0-9A-Fa-f]{4})|\+([0-9A-Fa-f]{6}))")
LITERALS = frozenset({"escape", "string", "dollar", "number"})
MAX_CHARACTERS = 1_000_000
REMEMBERED_CHARACTERS = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Redacted:
    """A statement without literals and comments, and the parsed comments."""

    text: str
    comment: Comment


def statement(text: str) -> Redacted:
    """Replace every literal by `?`, and parse and remove the comments.

    Also for an expression of a plan, such as `(cpf = '39053344705'::bpchar)`. The text is truncated at a
    million characters.

    >>> statement("SELECT name FROM customers WHERE cpf = '39053344705' LIMIT 1").text
    'SELECT name FROM customers WHERE cpf = ? LIMIT ?'
    """
    text = text[:MAX_CHARACTERS]
    return _remembered(text) if len(text) <= REMEMBERED_CHARACTERS else _lex(text)


class _Lexer:
    """Redacts one text."""

    def __init__(self, text: str, pattern: re.Pattern[str] = PLAIN_OR_TOKEN) -> None:
        self._text = text
        self._pattern = pattern
        self._kept: list[str] = []
        self._bodies: list[str] = []
        # Indexes in `_kept` of the names since the last token of another kind.
        self._names: list[int] = []
        self._is_first = True
        self._is_copy = False
        # Whether a keyword was found.
        self._is_sql = False

    def redacted(self) -> Redacted:
        position = 0
        while token := self._pattern.match(self._text, position):
            position = self._take(token)
        self._end_of_names()
        return Redacted(text="".join(self._kept).strip(), comment=comments(self._bodies))

    def _take(self, token: re.Match[str]) -> int:
        """Redact a token, and return the start of the next one."""
        kind, end = token.lastgroup, token.end()
        if kind == "plain":
            end = self._plain(token)
        elif kind == "comment":
            end = _end_of_comment(self._text, end)
            self._bodies.append(self._text[token.end() : end])
            self._kept.append(" ")
        elif kind == "line_comment":
            self._bodies.append(token[0])
        elif kind == "space":
            self._kept.append(token[0])
        elif kind == "word":
            end = self._word(token)
        else:
            self._end_of_names()
            self._kept.append(_kept(kind, token[0]))
            if kind == "string" and _is_uncertain(token):
                end = len(self._text)
        return end

    def _plain(self, token: re.Match[str]) -> int:
        start = token.start()
        follows_quote = start > 0 and self._text[start - 1] == "'"
        found = plain(token[0], is_sql=self._is_sql, follows_quote=follows_quote)
        if self._is_first and found.first:
            if found.first == "copy":
                self._pattern = TOKEN
                return start
            self._is_first = False
        self._extend(found.lead, found.lead_names)
        if found.body is not None:
            self._end_of_names()
            self._kept.append(found.body)
            self._is_sql |= found.has_keyword
            self._extend(found.trail, found.trail_names)
        return token.end()

    def _extend(self, parts: tuple[str, ...], names: tuple[int, ...]) -> None:
        before = len(self._kept)
        self._names += [before + index for index in names]
        self._kept += parts

    def _word(self, token: re.Match[str]) -> int:
        text = token[0]
        is_keyword, kept = known_word(text)
        if is_keyword:
            self._end_of_names()
            self._is_sql = True
        else:
            self._names.append(len(self._kept))
            # SQL has no name right after a literal: the quote before it did not end one.
            if token.start() and self._text[token.start() - 1] == "'":
                kept = "?"
        self._kept.append(kept)
        if self._is_first:
            self._is_first, self._is_copy = False, text.lower() == "copy"
            if self._is_copy:
                # Its rows begin after a word.
                self._pattern = TOKEN
        elif self._is_copy and text.lower() == "stdin":
            # Rows follow the statement.
            end = END_OF_COPY.search(self._text, token.end())
            self._text = self._text[: end.start()] if end else self._text
        return token.end()

    def _end_of_names(self) -> None:
        if self._names:
            collapse(self._kept, self._names, is_sql=self._is_sql)
            self._names = []


def _lex(text: str) -> Redacted:
    return _Lexer(text).redacted()


def _kept(kind: str | None, token: str) -> str:
    if kind in LITERALS:
        return "?"
    return _identifier(token) if kind == "quoted" else token


def _identifier(token: str) -> str:
    """Return a quoted identifier by the rule for names; hashed when it has blanks or is not closed."""
    is_escaped = token[0] != '"'
    name = token[3 if is_escaped else 1 :].removesuffix('"').replace('""', '"')
    if is_escaped:
        name = UNICODE_ESCAPE.sub(_character, name)
    is_closed = len(token) > 1 and token[-1] == '"'
    return f'"{label(name) or ""}"' if is_closed and " " not in name else f'"{hashed(name)}"'


def _character(found: re.Match[str]) -> str:
    code = int(found[1] or found[2], 16)
    return chr(code) if code <= sys.maxunicode else "?"


def _is_uncertain(token: re.Match[str]) -> bool:
    if token[0] == BACKSLASH:
        return AFTER_BACKSLASH.match(token.string, token.end()) is None
    return UNCERTAIN.search(token[0]) is not None


_remembered = lru_cache(maxsize=2048)(_lex)


def _end_of_comment(text: str, position: int) -> int:
    """Return the end of a comment; comments nest, and an unclosed one extends to the end of the text."""
    depth = 1
    while depth:
        edge = COMMENT_EDGE.search(text, position)
        if edge is None:
            return len(text)
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return position
