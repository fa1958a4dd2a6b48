"""Tools on DBM's activity samples: sessions with their states, wait events and blocking sessions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from lab.exam.doors import Door
from lab.foundation.timestamps import NS_PER_S
from lab.mcp.answer import Page, at
from lab.mcp.inputs import Cursor, End, Limit, QueryId, Service, Start, Statement
from lab.mcp.selection import SQL, Selection
from lab.mcp.sources import Sources
from lab.mcp.tool import tool
from lab.mcp.window import Window
from lab.telemetry.store import SENT_TO_DATADOG, ActivitySample, Reader, Source
from lab.telemetry.store.senders import label

HALF = timedelta(minutes=30)
MAX_BLOCKED = 5_000
Column = Literal[
    "wait_event", "state", "statement", "queryid", "service", "application", "role", "pid"
]
COLUMNS = {
    "wait_event": "CASE WHEN wait_event IS NULL THEN 'CPU' ELSE wait_event_type || '/' || wait_event END",
    "queryid": "CAST(queryid AS TEXT)",
}
State = Annotated[
    Literal["active", "idle in transaction", "idle in transaction (aborted)", "any"],
    Field(description="State of the sessions, of pg_stat_activity."),
]


class ActivityTools:
    """Tools of the observer Datadog on activity samples."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    @tool("DBM database load", Door.DATADOG)
    def dbm_activity(
        self,
        *,
        group_by: Annotated[Column, Field(description="The column to count by.")] = "wait_event",
        state: State = "active",
        start: Start = "-15m",
        end: End = None,
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """Break down the database load: average active sessions by wait event, statement, service or role.

        `average_sessions` is the number of samples divided by the number of sampling rounds; more
        active sessions than CPUs is overload. CPU means: no wait event. Lock/... waits: continue with
        dbm_blocking.
        """
        arguments = {"group_by": group_by, "state": state, "start": start, "end": end}
        page = Page.during(arguments, limit, cursor, default=HALF)
        reader, chosen = self._sources.reader(), page.window
        parameters: dict[str, object] = {
            "since": chosen.since_ns,
            "until": chosen.until_ns,
            "limit": page.wanted,
        }
        parameters |= {"state": None if state == "any" else state}
        sql = SQL["activity_by"].format(
            column=COLUMNS.get(group_by, group_by), sources=SENT_TO_DATADOG
        )
        found, beside = reader.rows(sql, parameters), _rounds(reader, page.window)
        rounds = beside["rounds"]
        rows = [
            {
                group_by: value,
                "average_sessions": samples / rounds if rounds else None,
                "samples": samples,
                "sessions": pids,
                "blocked_samples": blocked,
                "first": at(first_ns),
                "last": at(last_ns),
            }
            for value, samples, pids, first_ns, last_ns, blocked in found
        ]
        return page.answer(rows, **beside)

    @tool("DBM activity samples", Door.DATADOG)
    def dbm_activity_samples(
        self,
        *,
        start: Start = "-5m",
        end: End = None,
        state: State = "any",
        pid: Annotated[int | None, Field(ge=0, le=2**31, description="Backend process id.")] = None,
        queryid: QueryId = None,
        statement: Statement = None,
        service: Service = None,
        waiting_for: Annotated[
            str | None,
            Field(
                max_length=60,
                description="Type of the wait event, such as Lock, LWLock, IO or Client.",
            ),
        ] = None,
        only_blocked: Annotated[
            bool, Field(description="Only sessions with blocking pids.")
        ] = False,
        limit: Limit = 30,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """List single activity samples of sessions, newest first: state, wait event, statement, blockers.

        Ages in s are since the start of the query and of the transaction. A trace_id leads to apm_trace
        or lab_trace. Use dbm_activity for totals.
        """
        arguments = {
            "start": start, "end": end, "state": state, "pid": pid, "queryid": queryid,
            "statement": statement, "service": service, "waiting_for": waiting_for,
            "only_blocked": only_blocked,
        }  # fmt: skip
        page = Page.during(arguments, limit, cursor, default=HALF)
        chosen = Selection.during(page.window).where(SENT_TO_DATADOG)
        chosen.equal(
            pid=pid,
            state=None if state == "any" else state,
            queryid=None if queryid is None else int(queryid),
            statement=statement,
            service=service,
            wait_event_type=waiting_for,
        )
        if only_blocked:
            chosen.where("blocking_pids <> '[]'")
        found = chosen.rows(self._sources.reader(), ActivitySample, limit=page.wanted)
        return page.answer([_sample(one) for one in found])

    @tool("DBM lock waits and blockers", Door.DATADOG)
    def dbm_blocking(
        self, *, start: Start = "-15m", end: End = None, limit: Limit = 20, cursor: Cursor = None
    ) -> dict[str, Any]:
        """List the sessions that blocked others in a time range, by DBM's activity samples: who blocks whom.

        `root` is true for a blocker that was not blocked itself: the head of the chain. No rows: no
        blocking at the time of a sample; waits shorter than interval_s may be missed, log_events has
        those above deadlock_timeout. Its state, application, statement and trace are those of its own
        sample of the same round.
        """
        page = Page.during({"start": start, "end": end}, limit, cursor, default=HALF)
        reader = self._sources.reader()
        chosen = Selection.during(page.window).where(SENT_TO_DATADOG).where("blocking_pids <> '[]'")
        blocked = chosen.rows(reader, ActivitySample, order="at_ns DESC", limit=MAX_BLOCKED)
        rows = list(_blockers(reader, blocked, page.window))
        return page.answer(
            rows,
            blocked_samples=len(blocked),
            **_rounds(reader, page.window),
            note=f"of the last {MAX_BLOCKED:,} samples" if len(blocked) == MAX_BLOCKED else None,
        )


def _rounds(reader: Reader, window: Window) -> dict[str, Any]:
    """Return the number of sampling rounds, their interval and their sender: what could not be seen."""
    parameters = {"since": window.since_ns, "until": window.until_ns}
    found = reader.rows(SQL["rounds"].format(sources=SENT_TO_DATADOG), parameters)
    rounds, interval_s, source = found[0]
    return {
        "rounds": rounds,
        "interval_s": interval_s,
        "sent_by": label(Source(source), interval_s) if source else None,
        "absent": None
        if rounds
        else {"rows": "no activity sample was received in this time range"},
    }


def _sample(one: ActivitySample) -> dict[str, Any]:
    def age_s(start_ns: int | None) -> float | None:
        return None if start_ns is None else round((one.at_ns - start_ns) / NS_PER_S, 3)

    wait = f"{one.wait_event_type}/{one.wait_event}" if one.wait_event else None
    return {
        "at": at(one.at_ns),
        "pid": one.pid,
        "state": one.state,
        "wait_event": wait,
        "blocked_by_pids": list(one.blocking_pids),
        "application": one.application,
        "service": one.service,
        "role": one.role,
        "statement": one.statement,
        "queryid": None if one.queryid is None else str(one.queryid),
        "query_age_s": age_s(one.query_start_ns),
        "transaction_age_s": age_s(one.xact_start_ns),
        "trace_id": one.trace_id,
        "span_id": one.span_id,
        "backend_type": one.backend_type if one.backend_type != "client backend" else None,
    }


def _blockers(
    reader: Reader, blocked: Sequence[ActivitySample], window: Window
) -> Iterator[dict[str, Any]]:
    """Yield each blocking session, those that block the most samples first."""
    counts = Counter(pid for one in blocked for pid in one.blocking_pids)
    waiting = {one.pid for one in blocked}
    for pid, samples in counts.most_common():
        victims = [one for one in blocked if pid in one.blocking_pids]
        chosen = Selection.during(window).where(SENT_TO_DATADOG).equal(pid=pid)
        # Its sample in a round in which it blocked; later it may run another statement.
        chosen.where("at_ns <= ?", victims[0].at_ns)
        own = chosen.rows(reader, ActivitySample, order="at_ns DESC", limit=1)
        statements = Counter(one.statement for one in victims if one.statement)
        yield {
            "pid": pid,
            "root": pid not in waiting,
            "blocked_samples": samples,
            "blocked_pids": sorted({one.pid for one in victims})[:50],
            "first": at(victims[-1].at_ns),
            "last": at(victims[0].at_ns),
            "blocked_statements": dict(statements.most_common(10)),
            "blocked_on": sorted({f"{one.wait_event_type}/{one.wait_event}" for one in victims}),
            "blocker": _sample(own[0]) if own else None,
            "absent": None
            if own
            else {"blocker": "no sample of its own: it is no client session, or has ended"},
        }
