"""The SQL statements of the services, by name.

A file of `workload/sql/` has the statements of
one service (`shared.sql`: of several), each in this format:

    -- name: insert_analysis
    -- Record the score and the decision.
    -- writes: credit_analysis insert, audit_log insert
    INSERT INTO ...

`writes` names each table and action that the statement's row count applies to. The action `upsert` reads
the first column of RETURNING, which must be `xmax = 0`: true for an insert, false for an update.
Every text ends with a sqlcommenter comment with service and statement, which maps a queryid to its name.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from workload.errors import StatementError

SQL = Path(__file__).parent / "sql"
ACTIONS = frozenset({"insert", "update", "delete", "upsert"})
HEAD = re.compile(
    r"-- name: (?P<name>[a-z_]+)\n"
    r"-- (?P<purpose>.+)\n"
    r"(?:-- writes: (?P<writes>.+)\n)?"
    r"(?P<body>(?:(?!-- name:).*\n?)+)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Write:
    """One table that a statement changes, and how."""

    table: str
    action: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One SQL statement: psycopg2 text with named placeholders, and what it writes."""

    name: str
    service: str
    purpose: str
    sql: str
    writes: tuple[Write, ...]


def _writes(name: str, text: str | None) -> Iterator[Write]:
    for part in (text or "").split(", ") if text else ():
        table, _, action = part.partition(" ")
        if action not in ACTIONS:
            raise StatementError(
                f"{name}: 'writes: {part}' must be 'TABLE ACTION', {sorted(ACTIONS)}"
            )
        yield Write(table=table, action=action)


def parse(text: str, *, service: str) -> Iterator[Statement]:
    """Yield the statements of one file's text.

    Raises:
        StatementError: where the text does not have the format above.
    """
    start = text.find("-- name:")
    position = max(start, 0)
    while position < len(text):
        found = HEAD.match(text, position)
        if found is None or not found["body"].strip():
            raise StatementError(
                f"{service}: malformed statement at {text[position : position + 60]!r}"
            )
        name, body = found["name"], found["body"].strip().removesuffix(";")
        yield Statement(
            name=name,
            service=service,
            purpose=found["purpose"],
            sql=f"{body} /*service='{service}',statement='{name}'*/",
            writes=tuple(_writes(name, found["writes"])),
        )
        position = found.end()


def texts(path: Path, *, service: str) -> Mapping[str, str]:
    """Return the SQL of every statement of one file by its name.

    Raises:
        StatementError: where the file does not have the format above.
    """
    every = parse(path.read_text(encoding="utf-8"), service=service)
    return MappingProxyType({statement.name: statement.sql for statement in every})


def load(folder: Path = SQL) -> MappingProxyType[str, Statement]:
    """Return every statement of the folder by its name.

    Raises:
        StatementError: when a file is malformed or two statements share a name.
    """
    statements: dict[str, Statement] = {}
    for path in sorted(folder.glob("*.sql")):
        service = path.stem if path.stem == "shared" else f"credit-{path.stem}"
        for statement in parse(path.read_text(encoding="utf-8"), service=service):
            if statement.name in statements:
                raise StatementError(f"{path.name}: statement {statement.name!r} exists twice")
            statements[statement.name] = statement
    return MappingProxyType(statements)


STATEMENTS = load()
