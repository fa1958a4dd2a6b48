"""Live sessions, rendered for a terminal: the blocking tree, then sessions, oldest transaction first."""

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text
from rich.tree import Tree

from lab.cli.views import figures
from lab.drilldown.sessions import (
    PREPARED_TRANSACTION,
    BlockingNode,
    Session,
    Sessions,
    root_causes,
)

STATES = {
    "active": "green",
    "idle in transaction": "yellow",
    "idle in transaction (aborted)": "red",
}
TEXT_WIDTH = 34


def render(found: Sessions) -> RenderableType:
    """Return the blocking tree and the busy sessions; idle sessions are only counted.

    `open` is the age of the transaction, `query` that of the running statement.
    """
    if reason := found.absent.get("sessions"):
        return Padding(Text(reason, style="bold red"), (0, 2))
    known = {session.pid: session for session in found.sessions}
    busy = [session for session in found.sessions if session.state not in (None, "idle")]
    idle = len(found.sessions) - len(busy)
    heading = Text.assemble(
        ("Sessions", "bold"),
        f"  {len(busy)} busy, {idle} idle",
        (f"  {found.at:%H:%M:%S} UTC", "dim"),
    )
    causes = [Text(f"Root cause: {text}", style="yellow") for text in root_causes(found)]
    causes += [Text()] if causes else []
    parts: list[RenderableType] = [heading, Text(), *causes, _blocking(found, known), Text()]
    if busy:
        parts.append(_table(busy))
    return Padding(Group(*parts), (0, 2), expand=False)


def _blocking(found: Sessions, known: Mapping[int, Session]) -> RenderableType:
    if not found.blocking:
        return Text("No session waits for another one.", style="dim")
    root = Tree(Text("Who waits for whom", style="bold"), guide_style="dim")
    for node in found.blocking:
        _grow(root, node, known)
    return root


def _grow(branch: Tree, node: BlockingNode, known: Mapping[int, Session]) -> None:
    session = known.get(node.pid)
    own = branch.add(_line(node.pid, session))
    for waiting in node.waiting:
        _grow(own, waiting, known)


def _line(pid: int, session: Session | None) -> RenderableType:
    if pid == PREPARED_TRANSACTION:
        return Text("a prepared transaction: see pg_prepared_xacts", style="bold")
    if session is None:
        return Text(f"{pid}  a background process, or already ended", style="dim")
    line = Text.assemble(
        (f"{pid}", "bold"),
        f"  {_who(session)}  ",
        (session.state or "", STATES.get(session.state or "", "")),
        f" {figures.seconds(session.state_age_s)}  ",
        (_what(session), "cyan"),
    )
    trace = f"  trace {session.trace_id}" if session.trace_id else ""
    return figures.OneLine(line, Text(trace, style="dim"))


def _table(sessions: list[Session]) -> RenderableType:
    numbers = ("open", "query")
    # A narrow terminal shows the first columns; none is shortened.
    columns = ("pid", "who", "waits for", "open", "statement", "state", "query")
    table = figures.grid(*columns, right=numbers)
    for each in sessions:
        waits = f"{each.wait_event_type}/{each.wait_event}" if each.wait_event else ""
        table.add_row(
            str(each.pid),
            _who(each),
            Text(waits, style="yellow" if each.blocked_by else "dim"),
            figures.seconds(each.transaction_age_s),
            Text(_what(each), style="cyan"),
            Text(each.state or "", style=STATES.get(each.state or "", "")),
            figures.seconds(each.query_age_s) if each.state == "active" else "-",
        )
    return figures.Fitting(table)


def _who(session: Session) -> str:
    return session.service or session.application or session.role or session.backend_type


def _what(session: Session) -> str:
    return figures.shortened(session.statement or session.text, TEXT_WIDTH)
