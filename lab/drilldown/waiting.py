"""Wait events, lock waits and blocking sessions of an execution, from activity samples and the log."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from lab.drilldown.execution import Blocker, Wait
from lab.foundation.timestamps import ms
from lab.telemetry.store import ActivitySample, Event, Reader

CPU = "CPU"


def waits(samples: Iterable[ActivitySample]) -> tuple[Wait, ...]:
    """Return the wait events of these samples, the most frequent first."""
    counts = Counter((s.wait_event_type or CPU, s.wait_event or CPU) for s in samples)
    return tuple(
        Wait(type=kind, event=event, samples=count) for (kind, event), count in counts.most_common()
    )


def locked_ms(locks: Iterable[Event]) -> float | None:
    """Return the logged lock wait time in milliseconds; None without logged lock waits.

    A wait is logged once during the wait, and again at its end: the longest time counts.
    """
    longest: dict[str | None, int] = {}
    for event in locks:
        lock = event.participants[0].waits_for if event.participants else None
        longest[lock] = max(longest.get(lock, 0), event.duration_ns or 0)
    return ms(sum(longest.values())) if longest else None


def blockers(
    reader: Reader, samples: Sequence[ActivitySample], locks: Sequence[Event]
) -> Iterator[Blocker]:
    """Yield the blocking sessions of the samples, with the most samples first; then those of the log only."""
    seen = Counter(pid for sample in samples for pid in sample.blocking_pids)
    for pid, count in seen.most_common():
        at = [s for s in samples if pid in s.blocking_pids]
        yield _blocker(pid, count, _session(reader, pid, at))
    logged = {pid for event in locks for who in event.participants for pid in who.blocked_by}
    for pid in sorted(logged - seen.keys()):
        yield _blocker(pid, 0, _session(reader, pid, samples))


def _session(reader: Reader, pid: int, beside: Iterable[ActivitySample]) -> ActivitySample | None:
    """Return a session's state from the first of these samples' rounds that has it."""
    for sample in beside:
        found = reader.select(
            ActivitySample,
            "at_ns = ? AND source = ? AND pid = ?",
            [sample.at_ns, sample.source, pid],
            limit=1,
        )
        if found:
            return found[0]
    return None


def _blocker(pid: int, samples: int, session: ActivitySample | None) -> Blocker:
    if session is None:
        return Blocker(pid=pid, samples=samples)
    return Blocker(
        pid=pid,
        samples=samples,
        state=session.state,
        role=session.role,
        application=session.application,
        service=session.service,
        statement=session.statement,
        queryid=None if session.queryid is None else str(session.queryid),
        trace_id=session.trace_id,
        span_id=session.span_id,
    )
