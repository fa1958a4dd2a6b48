"""Reads PostgreSQL's JSON log: every slow execution with its trace, its executed plan, and what went wrong.

The log is the one source without sampling: each statement over the thresholds of postgresql.conf is in it,
with the traceparent of its own execution and its queryid.
"""

from lab.telemetry.pglog.extract import records_of
from lab.telemetry.pglog.follow import LogReader, Telemetry
from lab.telemetry.pglog.line import InvalidLineError, Line, parse
from lab.telemetry.pglog.tail import Piece, Tail

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
