"""Normalized texts of statements as lines with labels: the same form as those of PostgreSQL's log."""

import json
from collections.abc import Sequence

from lab.drilldown.server_log import LogLine, LogWindow
from lab.telemetry.store import Reader, Statement

JOB = "statements"


def lines(reader: Reader, window: LogWindow, names: Sequence[str]) -> list[LogLine]:
    """Return the texts of statements with these names, or of all, the newest first, at the window's end."""
    some = " AND name IN (SELECT value FROM json_each(?))" if names else ""
    values = [json.dumps(list(names))] if names else []
    found = reader.select(
        Statement, f"text <> ''{some}", values, order="seen_ns DESC", limit=window.limit
    )
    return [LogLine(at_ns=window.until_ns - 1, text=one.text, labels=_labels(one)) for one in found]


def _labels(one: Statement) -> dict[str, str]:
    labels = {
        "job": JOB,
        "level": "info",
        "statement": one.name,
        "service": one.owner,
        "queryid": None if one.queryid is None else str(one.queryid),
    }
    return {key: value for key, value in labels.items() if value}
