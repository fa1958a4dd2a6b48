"""Wait events, lock waits and blocking sessions of an execution, from activity samples and the log."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from lab.drilldown.execution import Blocker, Wait
from lab.foundation.timestamps import ms
from lab.telemetry.store import ActivitySample, Event, Reader

CPU = "CPU"
LOCK = "Lock"
# At most this many samples of an execution are followed to the heads of their chains.
CHAINS = 20


def waits(samples: Iterable[ActivitySample]) -> tuple[Wait, ...]:
    """Return the wait events of these samples, the most frequent first."""
    counts = Counter((s.wait_event_type or CPU, s.wait_event or CPU) for s in samples)
    return tuple(
        Wait(type=kind, event=event, samples=count) for (kind, event), count in counts.most_common()
    )


def locked_ms(
    locks: Iterable[Event],
    samples: Sequence[ActivitySample] = (),
    within_ms: float = float("inf"),
) -> float | None:
    """Return the lock wait time in milliseconds, at most `within_ms`; None without a sign of a lock wait.

    The log has a wait once during the wait, and again at its end: the longest time counts. A wait that was
    cancelled has no end in the log; then the time between consecutive samples that wait for a lock counts.
    """
    logged, sampled = _logged_ms(locks), _sampled_ms(samples)
    found = max(logged or 0.0, sampled)
    return min(found, within_ms) if found or logged is not None else None


def _sampled_ms(samples: Sequence[ActivitySample]) -> float:
    ordered = sorted(samples, key=lambda sample: sample.at_ns)
    return ms(
        sum(
            after.at_ns - before.at_ns
            for before, after in pairwise(ordered)
            if before.wait_event_type == after.wait_event_type == LOCK
        )
    )


def _logged_ms(locks: Iterable[Event]) -> float | None:
    longest: dict[str | None, int] = {}
    for event in locks:
        lock = event.participants[0].waits_for if event.participants else None
        longest[lock] = max(longest.get(lock, 0), event.duration_ns or 0)
    return ms(sum(longest.values())) if longest else None


def blockers(
    reader: Reader, samples: Sequence[ActivitySample], locks: Sequence[Event]
) -> Iterator[Blocker]:
    """Yield the blocking sessions of the samples, with the most samples first; then those of the log only.

    A blocking session may wait itself: the sessions at the head of its chain are among them, with `root`.
    """
    seen = Counter(pid for sample in samples for pid in sample.blocking_pids)
    blocked = [sample for sample in samples if sample.blocking_pids]
    heads: Counter[int] = Counter()
    step = max(1, -(-len(blocked) // CHAINS))
    for sample in blocked[::step]:
        heads.update(_heads(reader, sample))
    for pid, count in seen.most_common():
        at = [s for s in samples if pid in s.blocking_pids]
        yield _blocker(pid, count, _session(reader, pid, at), root=pid in heads)
    for pid, count in heads.most_common():
        if pid not in seen:
            yield _blocker(pid, count * step, _session(reader, pid, blocked), root=True)
    logged = {pid for event in locks for who in event.participants for pid in who.blocked_by}
    for pid in sorted(logged - seen.keys() - heads.keys()):
        yield _blocker(pid, 0, _session(reader, pid, samples))


def _heads(reader: Reader, blocked: ActivitySample) -> set[int]:
    """Return the sessions at the head of a chain, from the round of this sample; none for a deadlock."""
    beside = reader.select(
        ActivitySample,
        "at_ns = ? AND source = ? AND pid IS NOT NULL",
        [blocked.at_ns, blocked.source],
    )
    waits_for = {each.pid: each.blocking_pids for each in beside}
    pending, visited, found = list(blocked.blocking_pids), {blocked.pid}, set()
    while pending:
        pid = pending.pop()
        if pid in visited:
            continue
        visited.add(pid)
        further = waits_for.get(pid, ())
        pending += further
        if not further:
            found.add(pid)
    return found


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


def _blocker(
    pid: int, samples: int, session: ActivitySample | None, *, root: bool = False
) -> Blocker:
    if session is None:
        return Blocker(pid=pid, samples=samples, root=root)
    return Blocker(
        pid=pid,
        samples=samples,
        root=root,
        state=session.state,
        role=session.role,
        application=session.application,
        service=session.service,
        statement=session.statement,
        queryid=None if session.queryid is None else str(session.queryid),
        trace_id=session.trace_id,
        span_id=session.span_id,
    )
