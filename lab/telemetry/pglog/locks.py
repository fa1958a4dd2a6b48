"""Locks in PostgreSQL's log: descriptions such as `ShareLock on transaction 766`, and deadlocks.

The participants of a deadlock are in the DETAIL of SQLSTATE 40P01, which no other source has. First one line
per process with the lock that it waits for and the process that blocks it, then one line per process with its
statement, in PostgreSQL's order:

    Process 12 waits for ShareLock on transaction 766; blocked by process 13.
    Process 12: UPDATE ...
"""

import re

from lab.telemetry import redact
from lab.telemetry.store import Participant

# After DescribeLockTag in PostgreSQL's source. Numbers are oids, transactions and places in a table.
LOCK = (
    r"[A-Za-z]{1,40} on (?:"
    r"(?:extension of |page [0-9]{1,10} of |tuple \([0-9]{1,10},[0-9]{1,10}\) of )?"
    r"relation [0-9]{1,10} of database [0-9]{1,10}"
    r"|(?:remote |speculative token [0-9]{1,10} of )?transaction [0-9]{1,20}"
    r"(?: of subscription [0-9]{1,10} of database [0-9]{1,10})?"
    r"|virtual transaction [0-9]{1,10}/[0-9]{1,10}"
    r"|pg_database\.datfrozenxid of database [0-9]{1,10}"
    r"|object [0-9]{1,10} of class [0-9]{1,10} of database [0-9]{1,10}(?: of subscription)?"
    r"|(?:user|advisory) lock \[[0-9]{1,10}(?:,[0-9]{1,10}){2,3}\])"
)
# An application chooses these numbers.
CHOSEN = re.compile(r" \[[^\[\]]*+\]")
WAITS = re.compile(
    rf"^Process (?P<pid>[0-9]{{1,10}}) waits for (?P<lock>{LOCK});"
    r" blocked by process (?P<blocker>[0-9]{1,10})\.$",
    re.MULTILINE,
)
RUNS = re.compile(r"^Process ([0-9]{1,10}): ", re.MULTILINE)


def plain_lock(lock: str) -> str:
    """Return a description that matches LOCK, without the key of an advisory lock."""
    return CHOSEN.sub("", lock)


def participants(detail: str) -> tuple[Participant, ...]:
    """Return the processes of a deadlock in the order in which PostgreSQL names them."""
    waits = {found["pid"]: found for found in WAITS.finditer(detail)}
    starts = list(RUNS.finditer(detail))
    if len(starts) != len(waits):
        # A statement contains such a line: its end is not certain.
        starts = []
    ends = [*(start.start() for start in starts[1:]), len(detail)]
    runs = {start[1]: detail[start.end() : end] for start, end in zip(starts, ends, strict=False)}
    return tuple(_participant(found, runs.get(pid)) for pid, found in waits.items())


def _participant(found: re.Match[str], text: str | None) -> Participant:
    statement = redact.statement(text) if text else None
    comment = statement.comment if statement else redact.Comment()
    return Participant(
        pid=int(found["pid"]),
        waits_for=plain_lock(found["lock"]),
        blocked_by=(int(found["blocker"]),),
        text=statement.text if statement else None,
        trace_id=comment.trace_id,
        span_id=comment.span_id,
        service=comment.service,
        statement=comment.statement,
    )
