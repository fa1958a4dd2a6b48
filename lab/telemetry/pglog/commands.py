"""The statement that a log line belongs to, from its first word and the session's current command.

auto_explain logs a plan with the text that was parsed. With EXECUTE that is PREPARE's text, with a cursor
DECLARE's, inside DO or CALL that of a nested statement; the line's query id is that of the top-level command.
A string of several statements is logged whole with each plan.
"""

import re

WORD = re.compile(r"[(\s]*([A-Za-z]+)")
# First words of statements that have another command tag.
QUERIES = {
    "WITH": ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"), "VALUES": ("SELECT",), "TABLE": ("SELECT",),
}  # fmt: skip
# A prepared statement's name may have any characters; drivers use short names.
NAMED = re.compile(r"execute .{1,300}?: ", re.DOTALL)
NAMED_SQL = re.compile(
    NAMED.pattern
    + r"(?=[(\s]{0,20}(?:/\*|--|(?:select|insert|update|delete|merge|with|values|table|begin|commit|rollback"
    r"|fetch|copy|set|execute|call|do)\b))",
    re.DOTALL | re.IGNORECASE,
)


def command(text: str | None) -> str | None:
    """Return the first word of a redacted statement in capitals.

    >>> command("(SELECT ?) UNION ALL SELECT ?"), command("prepare q AS SELECT $1"), command("")
    ('SELECT', 'PREPARE', None)
    """
    found = WORD.match(text or "")
    return found[1].upper() if found else None


def is_several(text: str) -> bool:
    """Whether a redacted text has several statements.

    >>> is_several("SELECT ?; SELECT ?"), is_several("SELECT ?;")
    (True, False)
    """
    return sum(bool(part.strip()) for part in text.split(";")) > 1


def is_of(text: str, running: str | None) -> bool:
    """Whether a text is the statement that the session executes, by the command tag in its log line.

    >>> is_of("PREPARE q AS SELECT $1", "EXECUTE"), is_of("WITH a AS (SELECT ?) SELECT", "SELECT")
    (False, True)
    >>> is_of("SELECT ?", " ")
    True
    """
    if is_several(text):
        return False
    first, tag = command(text), (running or "").split()
    return not tag or first is None or tag[0] in (first, *QUERIES.get(first, ()))


def after_name(message: str, start: int) -> int | None:
    """Return the offset of the statement after `execute NAME: `; a name may have colons.

    >>> message = "execute a: b:c: SELECT 1"
    >>> message[after_name(message, 0) or 0 :]
    'SELECT 1'
    """
    found = NAMED_SQL.match(message, start) or NAMED.match(message, start)
    return found.end() if found else None
