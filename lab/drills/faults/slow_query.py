"""Slow query: a join without its condition, each customer with each proposal, of a few thousand."""

from functools import partial

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.lasting import SERVER_SECONDS, MinimumDuration
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession, statements
from lab.drills.usual import long_statements, time_by_statement

SQL = statements(f"""
-- name: proposals_of_everybody
-- Amounts above the customer's income, for some months; the join condition is missing.
SELECT c.state, count(*), avg(p.amount), {SERVER_SECONDS}
FROM (SELECT * FROM customers LIMIT %(rows)s) c
CROSS JOIN (SELECT * FROM credit_proposals LIMIT %(rows)s) p
CROSS JOIN generate_series(1, %(months)s) month
WHERE p.amount > c.monthly_income
GROUP BY c.state
""")
ROWS = 1200
SLOW_S = 0.3
# Long enough that a sampling observer sees the statement after SLOW_S.
DURATION_S = 0.9
RUNNING = """
SELECT pid, extract(epoch FROM clock_timestamp() - query_start) FROM pg_stat_activity
WHERE application_name = 'credit-drill' AND state = 'active' AND query LIKE '%proposals_of_everybody%'"""


def _report(rows: int, session: DrillSession, months: int) -> float:
    found = session.run(SQL["proposals_of_everybody"], rows=rows, months=months)
    return float(found[0][-1])


def inject(scene: Scene) -> None:
    """Start one session that repeats the statement."""
    rows = scene.times(ROWS, at_least=500)
    report = MinimumDuration(partial(_report, rows), 1, at_least_s=DURATION_S)
    scene.sessions.repeat(Role.APP, "report by state", report, every_s=0.5)


def prove(scene: Scene) -> Proof:
    """Check that the statement was seen active for longer than SLOW_S, now or earlier in the run."""
    found = {pid: float(age) for pid, age in scene.ask(RUNNING)}
    oldest = max(found.values(), default=0.0)
    if oldest > float(scene.memo.get("oldest", "0")):
        scene.memo["oldest"] = f"{oldest:.2f}"
    seen = float(scene.memo.get("oldest", "0"))
    return Proof(
        holds=seen > SLOW_S,
        says=f"a statement was seen {seen:.1f} s after its start",
        pids=frozenset(found),
    )


DRILL = Drill(
    name="slow-query",
    place=80,
    title="a join without its condition",
    hypothesis=(
        "DBM names the statement and its session; the log has the executed plan, with the rows of the"
        " join; Prometheus shows the time, with the statement's name, and no plan."
    ),
    acts_as="credit_app: read-only.",
    inject=inject,
    prove=prove,
    duration_s=45.0,
    sql=SQL,
    statements=frozenset({"proposals_of_everybody"}),
    signals=(
        *time_by_statement(busy=0.2),
        *long_statements(ms=SLOW_S * 1000),
    ),
    runbook="StatementSlower",
    aliases=("slow",),
)
