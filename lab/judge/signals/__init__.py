"""Signals of a fault: each turns the evidence of one observer into tracks of values over time.

A drill declares its signals. A signal does not contain the names of the cause; the names in the evidence
(labels, comments of statements, pids) are kept with each value, and are compared with the truth afterwards.
"""

from typing import TypeAlias

from lab.judge.signals.apm import NoSpans, Resources, Spans
from lab.judge.signals.check import Checks, Query
from lab.judge.signals.dbm import Deltas, MutualBlocks, NoData, Sessions
from lab.judge.signals.log import Events, Slow
from lab.judge.signals.prometheus import Metric

Signal: TypeAlias = (
    Metric
    | Sessions
    | Query
    | Checks
    | Deltas
    | Spans
    | Resources
    | NoSpans
    | NoData
    | Events
    | Slow
)

__all__ = [
    "Checks",
    "Deltas",
    "Events",
    "Metric",
    "MutualBlocks",
    "NoData",
    "NoSpans",
    "Query",
    "Resources",
    "Sessions",
    "Signal",
    "Slow",
    "Spans",
]
