"""`/sessions`: PostgreSQL's current sessions, and the blocking tree."""

from collections import Counter
from collections.abc import Iterator, Sequence

from starlette.requests import Request

from lab.console.pages.site import Page
from lab.drilldown import Drilldown
from lab.drilldown.sessions import BlockingNode

# The list of busy sessions has the same order; this is its short form.
LONGEST = 5


def page(drilldown: Drilldown, request: Request) -> Page:
    """Show the current sessions; idle ones only with `?idle=1`."""
    found = drilldown.sessions()
    by_pid = {session.pid: session for session in found.sessions}
    with_idle = bool(request.query_params.get("idle"))
    shown = [s for s in found.sessions if with_idle or s.state != "idle"]
    values = {
        "found": found,
        "states": Counter(s.state or s.backend_type for s in found.sessions).most_common(),
        "with_idle": with_idle,
        "shown": shown,
        "tree": [(depth, pid, by_pid.get(pid)) for depth, pid in _walk(found.blocking, 0)],
        "longest": [by_pid[pid] for pid in found.longest_transactions[:LONGEST]],
        "sessions_links": drilldown.links.sessions(),
    }
    return Page(template="sessions.html", values=values)


def _walk(nodes: Sequence[BlockingNode], depth: int) -> Iterator[tuple[int, int]]:
    for node in nodes:
        yield depth, node.pid
        yield from _walk(node.waiting, depth + 1)
