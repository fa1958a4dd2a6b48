"""Sources whose data count as Datadog's, and their names on screens and in reports."""

from collections.abc import Iterable
from enum import StrEnum
from types import MappingProxyType


class Source(StrEnum):
    """The sender of a record."""

    LOG = "log"  # PostgreSQL's own log, auto_explain included
    AGENT = "agent"  # a Datadog Agent
    EMBEDDED = "embedded"  # the lab's embedded agent; it sends this as its Agent version
    CHECK = "check"  # Datadog's postgres check, run without the Agent
    LAB = "lab"  # the lab's own sampling: ground truth, never counted as Datadog's


# Not the lab's own samples, and not PostgreSQL's log.
DATADOG_SOURCES = (Source.AGENT, Source.CHECK, Source.EMBEDDED)
# The same as a condition of SQL, for the tables with a column `source`.
SENT_TO_DATADOG = f"source IN ({', '.join(repr(source.value) for source in DATADOG_SOURCES)})"
# The Agent's documented default of `query_activity.collection_interval`, in seconds.
DEFAULT_ACTIVITY_S = 10.0
EMBEDDED_LABEL = "embedded agent, not Datadog's"
CHECK_LABEL = "Datadog's check, without the Agent"
_LABELS = MappingProxyType(
    {
        Source.AGENT: "Datadog Agent",
        Source.CHECK: CHECK_LABEL,
        Source.LAB: "the lab's own sampling",
        Source.LOG: "PostgreSQL's log",
    }
)


def embedded_label(activity_s: float) -> str:
    """Return the name of the embedded agent, with its activity interval if that is not the Agent's default.

    >>> embedded_label(10.0)
    "embedded agent, not Datadog's"
    >>> embedded_label(1.0)
    "embedded agent at 1 s, not the Agent's default 10 s; not Datadog's"
    """
    if activity_s == DEFAULT_ACTIVITY_S:
        return EMBEDDED_LABEL
    interval = f"at {activity_s:g} s, not the Agent's default {DEFAULT_ACTIVITY_S:g} s"
    return f"embedded agent {interval}; not Datadog's"


def label(source: Source, activity_s: float | None = None) -> str:
    """Return the name of a source.

    Args:
        source: of the records.
        activity_s: the embedded agent's activity interval in seconds; None: not known.
    """
    if source is Source.EMBEDDED:
        return embedded_label(DEFAULT_ACTIVITY_S if activity_s is None else activity_s)
    return _LABELS[source]


def label_of_all(sources: Iterable[Source], activity_s: float | None = None) -> str:
    """Return the names of all senders of Datadog's data; empty without one."""
    found = {Source(source) for source in sources} & set(DATADOG_SOURCES)
    return " and ".join(label(source, activity_s) for source in sorted(found))
