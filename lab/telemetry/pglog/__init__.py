"""Reads PostgreSQL's JSON log: each slow execution with its trace, executed plans, errors and other events.

The log is the only source without sampling: it has each statement above the thresholds of postgresql.conf,
with the traceparent of that execution and its queryid.
"""

from typing import TYPE_CHECKING

from lab.foundation.facade import exports

if TYPE_CHECKING:
    from lab.telemetry.pglog.extract import records_of
    from lab.telemetry.pglog.follow import LogReader, Telemetry
    from lab.telemetry.pglog.line import InvalidLineError, Line, parse
    from lab.telemetry.pglog.tail import Piece, Tail
else:
    __getattr__ = exports(__name__, "tail", "line", "extract", "follow")

__all__ = [
    "InvalidLineError",
    "Line",
    "LogReader",
    "Piece",
    "Tail",
    "Telemetry",
    "parse",
    "records_of",
]
