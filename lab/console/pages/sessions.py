"""`/sessions`: what PostgreSQL's sessions do now, and who waits for whom."""

from collections import Counter
from collections.abc import Iterator, Sequence

from starlette.requests import Request

from lab.console.pages.site import Page
from lab.drilldown import Drilldown
from lab.drilldown.sessions import BlockingNode

# The list of all that are busy has the same order; this one is for those who look at a glance.
LONGEST = 5


def page(drilldown: Drilldown, request: Request) -> Page:
    """Show the sessions of now; idle ones only when asked for."""
    found = drilldown.sessions()
    by_pid = {session.pid: session for session in found.sessions}
    everyone = bool(request.query_params.get("idle"))
    shown = [s for s in found.sessions if everyone or s.state != "idle"]
    values = {
        "found": found,
        "states": Counter(s.state or s.backend_type for s in found.sessions).most_common(),
        "everyone": everyone,
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
