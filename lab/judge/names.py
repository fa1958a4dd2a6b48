"""What a piece of evidence names by itself: a label, the comment of a statement, a pid."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lab.telemetry.store import ActivitySample, Event, Execution, Span


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """What a piece of evidence names by itself."""

    statements: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    queryids: frozenset[int] = frozenset()
    services: frozenset[str] = frozenset()
    pids: frozenset[int] = frozenset()
    traced: bool = False


NOTHING = Names()


def of_labels(labels: Mapping[str, str]) -> Names:
    """Return what the labels of a series name; a queryid counts as naming its statement."""
    queryid = labels.get("queryid", "")
    who = {labels.get(name, "") for name in ("service", "application_name")}
    return Names(
        statements=_some(labels.get("statement", "").split("|")),
        queryids=frozenset({int(queryid)}) if queryid.lstrip("-").isdecimal() else frozenset(),
        services=_some(who),
    )


def _some(names: Iterable[str | None]) -> frozenset[str]:
    return frozenset(name for name in names if name and name != "unnamed")


def of_session(sample: ActivitySample) -> Names:
    """Return what a session, as it was sampled, names, with whom it waits for."""
    return Names(
        statements=_some([sample.statement]),
        queryids=frozenset() if sample.queryid is None else frozenset({sample.queryid}),
        services=_some([sample.service, sample.application]),
        pids=frozenset({sample.pid, *sample.blocking_pids}),
        traced=sample.trace_id is not None,
    )


def of_span(span: Span) -> Names:
    """Return what a span names; its resource is a text only when it is a statement."""
    base = span.tags.get("_dd.base_service")
    return Names(
        texts=frozenset({span.resource}) if span.kind == "sql" else frozenset(),
        services=_some([span.service, str(base) if base else None]),
        traced=True,
    )


def of_event(event: Event) -> Names:
    """Return what an event of the log names, with all who took part."""
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
    """Return what a statement in the log names."""
    return Names(
        statements=_some([execution.statement]),
        queryids=frozenset() if execution.queryid is None else frozenset({execution.queryid}),
        services=_some([execution.service, execution.application]),
        pids=frozenset({execution.pid}),
        traced=execution.trace_id is not None,
    )


def together(names: Iterable[Names]) -> Names:
    """Return all that these name."""
    found = list(names)
    return Names(
        statements=frozenset().union(*(n.statements for n in found)),
        texts=frozenset().union(*(n.texts for n in found)),
        queryids=frozenset().union(*(n.queryids for n in found)),
        services=frozenset().union(*(n.services for n in found)),
        pids=frozenset().union(*(n.pids for n in found)),
        traced=any(n.traced for n in found),
    )
