"""Conditions on the store's rows, from the arguments of a tool; and the queries of queries.sql."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lab.drilldown.errors import NotFoundError
from lab.drilldown.queries import SQL as DRILLDOWN
from lab.exam.doors import Door
from lab.foundation.suggestions import unknown
from lab.mcp.answer import at
from lab.mcp.window import Window
from lab.telemetry.store import SENT_TO_DATADOG, Reader, Record
from workload.statements import texts

R = TypeVar("R", bound=Record)
SQL = texts(Path(__file__).with_name("queries.sql"), service="mcp")


@dataclass(kw_only=True)
class Selection:
    """A condition in SQL, of constants of the lab, and its parameters."""

    parts: list[str] = field(default_factory=list)
    parameters: list[object] = field(default_factory=list)

    @classmethod
    def during(cls, window: Window) -> "Selection":
        """Return the condition of a time range, on `at_ns`."""
        return cls(parts=["at_ns >= ?", "at_ns < ?"], parameters=[window.since_ns, window.until_ns])

    def equal(self, **columns: object | None) -> "Selection":
        """Add equality with each value that is given; returns itself."""
        for column, value in columns.items():
            if value is not None:
                self.parts.append(f"{column} = ?")
                self.parameters.append(value)
        return self

    def one_of(self, column: str, values: Sequence[object]) -> "Selection":
        """Add that a column has one of these values; returns itself."""
        self.parts.append(f"{column} IN ({', '.join('?' * len(values))})")
        self.parameters.extend(values)
        return self

    def where(self, part: str, *parameters: object) -> "Selection":
        """Add a constant condition with its parameters; returns itself."""
        self.parts.append(part)
        self.parameters.extend(parameters)
        return self

    @property
    def condition(self) -> str:
        """The whole condition."""
        return " AND ".join(f"({part})" for part in self.parts)

    def rows(
        self,
        reader: Reader,
        record: type[R],
        *,
        order: str = "at_ns DESC, id DESC",
        limit: int,
    ) -> list[R]:
        """Return the records that meet the condition, the newest first unless ordered otherwise."""
        return reader.select(record, self.condition, self.parameters, order=order, limit=limit)


def queryids_of(reader: Reader, queryid: str | None, statement: str | None) -> list[int] | None:
    """Return the queryids of a statement's name or queryid; None when neither is given.

    Raises:
        NotFoundError: when the store does not have it, with the most similar name.
    """
    key = queryid or statement
    if key is None:
        return None
    found = reader.rows(DRILLDOWN["identity"], {"key": key})
    queryids = sorted({row[1] for row in found if row[1] is not None})
    if queryids:
        return queryids
    if queryid:
        raise NotFoundError(
            f"The store has no statement with the queryid {queryid}. dbm_query_metrics lists the statements"
            " of a time range; queryids change with each new major version and schema."
        )
    names = "SELECT DISTINCT name FROM statements WHERE name IS NOT NULL ORDER BY 1"
    raise NotFoundError(unknown("statement", key[:60], [row[0] for row in reader.rows(names)]))


def newest(reader: Reader, door: Door) -> str:
    """Return the time of the newest data of an observer, as RFC 3339: whether it still sends."""
    [(apm_ns, log_ns, datadog_ns)] = reader.rows(SQL["newest"].format(sources=SENT_TO_DATADOG))
    at_ns = {Door.APM: apm_ns, Door.LOG: log_ns, Door.DATADOG: datadog_ns}[door]
    return at(at_ns) if at_ns else "nothing was received yet: unknown"
