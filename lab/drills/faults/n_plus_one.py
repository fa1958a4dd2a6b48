"""N+1 queries: a list, and then one query for each of its lines; no query is slow, the number is high."""

from functools import partial

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession, statements
from lab.drills.usual import many_calls

SQL = statements("""
-- name: list_contracts
-- The list: the contracts of a page.
SELECT contract_id FROM credit_contracts ORDER BY contract_id LIMIT %(lines)s

-- name: installments_of_one
-- One line of the list: the open amount.
SELECT sum(principal + interest + fee) FROM installments
WHERE contract_id = %(contract_id)s AND status <> 'paid'
""")
LINES = 150


def _page(lines: int, session: DrillSession) -> None:
    for (contract_id,) in session.run(SQL["list_contracts"], lines=lines):
        session.run(SQL["installments_of_one"], contract_id=contract_id)


def inject(scene: Scene) -> None:
    """Start to read one page after the other."""
    scene.since("calls", lambda: scene.calls("installments_of_one"))
    work = partial(_page, scene.times(LINES, at_least=20))
    scene.sessions.repeat(Role.APP, "show a page", work, count=2, every_s=0.5)


def prove(scene: Scene) -> Proof:
    """Check that the statement of a line was called more often than a page has lines."""
    calls = scene.since("calls", lambda: scene.calls("installments_of_one"))
    return Proof(
        holds=calls > scene.times(LINES, at_least=20),
        says=f"the statement of one line was called {calls:.0f} times",
        pids=scene.own_pids(),
    )


DRILL = Drill(
    name="n-plus-one",
    place=130,
    title="one query for each line of a list",
    hypothesis=(
        "The trace shows the pattern. Both stacks show the calls of one statement; Prometheus does not show"
        " the caller; the log has no line, as no statement is slow."
    ),
    acts_as="credit_app: read-only.",
    inject=inject,
    prove=prove,
    duration_s=40.0,
    sql=SQL,
    statements=frozenset({"installments_of_one"}),
    signals=many_calls(per_s=20, in_10_s=1000),
    runbook="StatementSlower",
)
