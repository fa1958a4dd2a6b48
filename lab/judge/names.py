"""The names in a piece of evidence: statements, queryids, services and pids, from labels and comments."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lab.telemetry.store import ActivitySample, Event, Execution, Span


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """The names in a piece of evidence."""

    statements: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    queryids: frozenset[int] = frozenset()
    services: frozenset[str] = frozenset()
    pids: frozenset[int] = frozenset()
    traced: bool = False


NOTHING = Names()


def of_labels(labels: Mapping[str, str]) -> Names:
    """Return the names in the labels of a series; a queryid counts as the name of its statement."""
    queryid = labels.get("queryid", "")
    services = {labels.get(name, "") for name in ("service", "application_name", "app")}
    return Names(
        statements=_some(labels.get("statement", "").split("|")),
        queryids=frozenset({int(queryid)}) if queryid.lstrip("-").isdecimal() else frozenset(),
        services=_some(services),
    )


def _some(names: Iterable[str | None]) -> frozenset[str]:
    return frozenset(name for name in names if name and name != "unnamed")


def of_session(sample: ActivitySample) -> Names:
    """Return the names in an activity sample of a session, with the pids that block it."""
    return Names(
        statements=_some([sample.statement]),
        queryids=frozenset() if sample.queryid is None else frozenset({sample.queryid}),
        services=_some([sample.service, sample.application]),
        pids=frozenset({sample.pid, *sample.blocking_pids}),
        traced=sample.trace_id is not None,
    )


def of_span(span: Span) -> Names:
    """Return the names in a span; its resource is a statement's text only in a span of kind sql."""
    base = span.tags.get("_dd.base_service")
    return Names(
        texts=frozenset({span.resource}) if span.kind == "sql" else frozenset(),
        services=_some([span.service, str(base) if base else None]),
        traced=True,
    )


def of_event(event: Event) -> Names:
    """Return the names in an event of the log, with those of all participants."""
    others = event.participants
    return Names(
        statements=_some([event.statement, *(other.statement for other in others)]),
        queryids=frozenset() if event.queryid is None else frozenset({event.queryid}),
        services=_some([event.service, event.application, *(other.service for other in others)]),
        pids=frozenset(
            {event.pid, *(pid for other in others for pid in (other.pid, *other.blocked_by))}
        ),
        traced=event.trace_id is not None or any(other.trace_id for other in others),
    )


def of_execution(execution: Execution) -> Names:
    """Return the names in a logged execution of a statement."""
    return Names(
        statements=_some([execution.statement]),
        queryids=frozenset() if execution.queryid is None else frozenset({execution.queryid}),
        services=_some([execution.service, execution.application]),
        pids=frozenset({execution.pid}),
        traced=execution.trace_id is not None,
    )


def together(names: Iterable[Names]) -> Names:
    """Return the union of these names."""
    found = list(names)
    return Names(
        statements=frozenset().union(*(n.statements for n in found)),
        texts=frozenset().union(*(n.texts for n in found)),
        queryids=frozenset().union(*(n.queryids for n in found)),
        services=frozenset().union(*(n.services for n in found)),
        pids=frozenset().union(*(n.pids for n in found)),
        traced=any(n.traced for n in found),
    )
