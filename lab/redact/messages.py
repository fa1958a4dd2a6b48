"""Error messages and span tags without data.

PostgreSQL quotes both names and values in double quotes: `relation "customers" does not exist`,
`invalid input syntax for type integer: "Maria"`. What stands after a noun for a kind of object is kept
when it looks like an identifier; every other quotation, every number, and whatever looks like an address
is replaced. DETAIL, HINT and CONTEXT are never stored: they quote rows.
"""

import re

NOUNS = (
    "column|constraint|relation|table|index|view|sequence|schema|database|role|user|function|trigger|type"
    "|parameter|extension|rule|policy|operator|tablespace|statement|cursor|portal|savepoint|publication"
)
QUOTED = re.compile(rf'(?P<noun>\b(?:{NOUNS}) )?"(?P<content>[^"\n]*+)(?:"|\n|\Z)', re.IGNORECASE)
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z_0-9$.]{0,127}", re.ASCII)
SINGLE = re.compile(r"'[^'\n]*+(?:'|\n|\Z)")
PARENTHESES = re.compile(r"\([^()]*+\)(?:=\([^)]*+\)?)?|=\s*\([^)]*+\)?")
ADDRESS = re.compile(r"\S+@\S+")
DIGITS = re.compile(r"\d+(?:[.\-/,:]\d+)*")
# Names of roles, databases and applications as people choose them; no run of digits that could be a CPF.
LABEL = re.compile(r"(?!.*\d{5})[\w<\[][\w .:/()<>\[\]-]{0,99}", re.ASCII)
RAISED_BY_USERS = frozenset({"P0001", "00000"})
MAX_CHARACTERS = 2000

# Span tags whose values are words of the tracer's, the driver's or our own.
SAFE_TAGS = frozenset({
    "_dd.base_service", "_dd.dbm_trace_injected", "_dd.measured", "_dd.origin", "_dd.p.dm", "_dd.p.tid",
    "_dd.top_level", "_sampling_priority_v1", "component", "db.application", "db.instance", "db.name",
    "db.row_count", "db.rowcount", "db.system", "db.type", "db.user", "env", "error.type", "http.method",
    "http.route", "http.status_code", "language", "network.destination.name", "network.destination.port",
    "out.host", "out.port", "process_id", "runtime-id", "server.address", "span.kind", "version",
})  # fmt: skip
SAFE_PREFIX = "credit."


def error_message(message: str, sqlstate: str | None = None) -> str:
    """Redact PostgreSQL's primary message.

    A message with SQLSTATE P0001 or without one was written by the application: nothing of it is kept.

    >>> error_message('duplicate key value violates unique constraint "customers_cpf_key"', "23505")
    'duplicate key value violates unique constraint "customers_cpf_key"'
    >>> error_message('invalid input syntax for type integer: "Maria da Silva"', "22P02")
    'invalid input syntax for type integer: "?"'
    """
    if sqlstate is None or sqlstate in RAISED_BY_USERS:
        return "?"
    text = ADDRESS.sub("?", message[:MAX_CHARACTERS])
    text = QUOTED.sub(_quoted, SINGLE.sub("'?'", text))
    kept = re.split(r'("[A-Za-z_][^"]*")', PARENTHESES.sub("(?)", text))
    return "".join(part if i % 2 else DIGITS.sub("?", part) for i, part in enumerate(kept))


def label(value: str | None) -> str | None:
    """Return the name of a role, database or application; `?` when it does not look like a name.

    >>> label("credit-lab probe"), label("maria@example.com"), label("")
    ('credit-lab probe', '?', None)
    """
    if not value:
        return None
    return value if LABEL.fullmatch(value) else "?"


def tag(key: str, value: str) -> str | None:
    """Return a span tag's value as it may be stored, or None when it must not be."""
    if not is_safe_tag(key):
        return None
    return ADDRESS.sub("?", value[:MAX_CHARACTERS]) if "@" in value else value[:MAX_CHARACTERS]


def is_safe_tag(key: str) -> bool:
    """Whether a span tag of this name is stored."""
    return key in SAFE_TAGS or key.startswith(SAFE_PREFIX)


def _quoted(found: re.Match[str]) -> str:
    noun, content = found["noun"] or "", found["content"]
    return f'{noun}"{content}"' if noun and IDENTIFIER.fullmatch(content) else f'{noun}"?"'
