"""Reads PostgreSQL's JSON log: every slow execution with its trace, its executed plan, and what went wrong.

The log is the one source without sampling: each statement over the thresholds of postgresql.conf is in it,
with the traceparent of its own execution and its queryid.
"""

from lab.pglog.extract import records_of
from lab.pglog.follow import LogReader, Telemetry
from lab.pglog.line import InvalidLineError, Line, parse
from lab.pglog.tail import Piece, Tail

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
