"""Database load as average active sessions by wait event, from the lab's own activity samples.

Without any in the window, as after `up` of an older store, from those that Database Monitoring received.

An active session without a wait event runs on a CPU, or waits for one. The mean number of active sessions
over time is the load: 1 is one session that is always active; more than the number of CPUs is overload.
Sessions that are idle in a transaction hold locks, but are no load.
"""

from dataclasses import dataclass
from datetime import datetime

from lab.foundation.timestamps import NS_PER_S, moment, nanoseconds
from lab.telemetry.store import SENT_TO_DATADOG, Reader, Source

STEPS_S = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
POINTS = 90
# The load "now" is that of the last seconds, or of the last two samples where these are farther apart.
NOW_S = 10
# A longer step is drawn before it is over: else a lab has no load for its first minutes.
LONG_STEP_S = 60
SAMPLES = """
SELECT at_ns / ?, coalesce(wait_event_type, 'CPU'), coalesce(wait_event, 'CPU'), count(*)
FROM activity
WHERE at_ns >= ? AND at_ns < ? AND source = ? AND state = 'active'
GROUP BY 1, 2, 3
"""
ROUNDS = """
SELECT at_ns / ?, count(*) FROM activity_rounds
WHERE at_ns >= ? AND at_ns < ? AND source = ?
GROUP BY 1
"""
LATEST = """
SELECT source, interval_s FROM activity_rounds
WHERE at_ns >= ? AND at_ns < ? AND source = 'lab' ORDER BY at_ns DESC LIMIT 1
"""
LATEST_SENT = f"""
SELECT source, interval_s FROM activity_rounds WHERE {SENT_TO_DATADOG} ORDER BY at_ns DESC LIMIT 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitEvent:
    """One wait event.

    Attributes:
        type: its class.
        sessions: the mean number of active sessions of each step.
        mean: over all samples of the window.
    """

    type: str
    event: str
    sessions: tuple[float, ...]
    mean: float


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseLoad:
    """The load over a window.

    Attributes:
        source: the source of the samples; None before the first sample.
        every_s: seconds between two samples, as reported by the sender; None when it does not report it.
        starts: the start of each step.
        events: those with the highest load first.
        latest: average active sessions in the last seconds of the window.
    """

    source: Source | None
    every_s: float | None
    step_s: int
    starts: tuple[datetime, ...]
    events: tuple[WaitEvent, ...]
    latest: float

    @property
    def mean(self) -> float:
        """Average active sessions over all samples of the window; time without samples does not count."""
        return sum(event.mean for event in self.events)


def database_load(reader: Reader, *, since: datetime, until: datetime) -> DatabaseLoad:
    """Return the load of a window, in steps that begin at round times.

    The last step is complete, or it is longer than a minute; its mean is that of its samples so far.
    The lab's own samples count if there are any, else only those of the latest sender to DBM.

    Raises:
        StoreError: when the store cannot be read.
    """
    step_s = next(
        (s for s in STEPS_S if (until - since).total_seconds() / s <= POINTS), STEPS_S[-1]
    )
    step_ns = step_s * NS_PER_S
    first, last = nanoseconds(since) // step_ns, nanoseconds(until) // step_ns
    if step_s > LONG_STEP_S and nanoseconds(until) % step_ns:
        last += 1
    starts = tuple(moment(i * step_ns) for i in range(first, last))
    first_ns, last_ns = first * step_ns, last * step_ns
    latest = reader.rows(LATEST, [first_ns, last_ns]) or reader.rows(LATEST_SENT)
    if not latest:
        return DatabaseLoad(
            source=None, every_s=None, step_s=step_s, starts=starts, events=(), latest=0.0
        )
    source, every_s = Source(latest[0][0]), latest[0][1]
    window = [step_ns, first_ns, last_ns, source]
    # A round without an active session counts, too: the mean is over rounds, not over rows.
    rounds = dict(reader.rows(ROUNDS, window))
    sampled = sum(rounds.values()) or 1
    counts: dict[tuple[str, str], dict[int, int]] = {}
    for step, kind, event, count in reader.rows(SAMPLES, window):
        counts.setdefault((kind, event), {})[step] = count
    events = [
        WaitEvent(
            type=kind,
            event=event,
            sessions=tuple(by_step.get(i, 0) / rounds.get(i, 1) for i in range(first, last)),
            mean=sum(by_step.values()) / sampled,
        )
        for (kind, event), by_step in counts.items()
    ]
    return DatabaseLoad(
        source=source,
        every_s=every_s,
        step_s=step_s,
        starts=starts,
        events=tuple(sorted(events, key=lambda e: e.mean, reverse=True)),
        latest=_latest(reader, source, every_s, until),
    )


def _latest(reader: Reader, source: Source, every_s: float | None, until: datetime) -> float:
    """Return the average active sessions of the last seconds before a time."""
    length_ns = max(NOW_S * NS_PER_S, round(2 * (every_s or 0) * NS_PER_S))
    until_ns = nanoseconds(until)
    # One step that is as long as this range, whose number is not used.
    window = [until_ns, until_ns - length_ns, until_ns, source]
    rounds = sum(count for _, count in reader.rows(ROUNDS, window))
    sessions: int = sum(count for *_, count in reader.rows(SAMPLES, window))
    return sessions / (rounds or 1)
