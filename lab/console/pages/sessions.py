"""`/sessions`: PostgreSQL's current sessions, and the blocking tree."""

from collections import Counter
from collections.abc import Iterator, Sequence

from starlette.requests import Request

from lab.console.pages import asking
from lab.console.pages.site import Page
from lab.drilldown import Drilldown
from lab.drilldown.identity import known_keys
from lab.drilldown.sessions import BlockingNode, Session, root_causes

# The list of busy sessions has the same order; this is its short form.
LONGEST = 5
# Roles of the observers and of the lab: their queries are hidden, except in a lock wait.
MONITORING = frozenset({"datadog", "datadog_explain", "postgres_exporter", "lab"})


def page(drilldown: Drilldown, request: Request) -> Page:
    """Show the current sessions; idle ones only with `?idle=1`."""
    found = drilldown.sessions()
    keys = {key for s in found.sessions for key in (s.queryid, s.statement) if key}
    by_pid = {session.pid: session for session in found.sessions}
    with_idle = bool(request.query_params.get("idle"))
    monitoring = bool(request.query_params.get("monitoring"))
    busy = [s for s in found.sessions if with_idle or s.state != "idle"]
    waited_for = {pid for s in found.sessions for pid in s.blocked_by}
    shown = [s for s in busy if monitoring or not _is_probe(s, waited_for)]
    values = {
        "found": found,
        "known": asking.attempt(lambda: known_keys(drilldown.reader, keys)).value or frozenset(),
        "states": Counter(s.state or s.backend_type for s in found.sessions).most_common(),
        "with_idle": with_idle,
        "monitoring": monitoring,
        "hidden": len(busy) - len(shown),
        "shown": shown,
        "tree": [(depth, pid, by_pid.get(pid)) for depth, pid in _walk(found.blocking, 0)],
        "root_causes": root_causes(found),
        "longest": [by_pid[pid] for pid in found.longest_transactions[:LONGEST]],
        "sessions_links": drilldown.links.sessions(),
    }
    return Page(template="sessions.html", values=values)


def _is_probe(session: Session, waited_for: set[int]) -> bool:
    """Whether it is a session of an observer or of the lab that takes part in no lock wait."""
    return session.role in MONITORING and not session.blocked_by and session.pid not in waited_for


def _walk(nodes: Sequence[BlockingNode], depth: int) -> Iterator[tuple[int, int]]:
    for node in nodes:
        yield depth, node.pid
        yield from _walk(node.waiting, depth + 1)
