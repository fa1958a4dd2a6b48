"""Idle in transaction: a session updates a few rows, and neither commits nor rolls back."""

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession, statements
from lab.drills.usual import IDLE_IN_TRANSACTION
from lab.foundation.plural import plural

SQL = statements("""
-- name: hold_customers
-- An UPDATE that changes no value of a few customers, but locks their rows.
UPDATE customers SET updated_at = updated_at WHERE customer_id IN (
    SELECT customer_id FROM customers ORDER BY customer_id DESC LIMIT 5
)
""")
IDLE = """
SELECT pid, extract(epoch FROM clock_timestamp() - state_change) FROM pg_stat_activity
WHERE application_name = %s AND state = 'idle in transaction'"""
IDLE_S = 1.0


def _forget(session: DrillSession) -> None:
    session.execute("BEGIN")
    session.run(SQL["hold_customers"])
    session.idle()


def inject(scene: Scene) -> None:
    """Start the sessions."""
    for _ in range(scene.times(1)):
        scene.sessions.once(Role.APP, "edit customers", _forget)


def prove(scene: Scene) -> Proof:
    """Check that a session of the drill is idle in its transaction."""
    idle = {pid: float(age) for pid, age in scene.ask(IDLE, [scene.sessions.application])}
    oldest = max(idle.values(), default=0.0)
    return Proof(
        holds=oldest > IDLE_S,
        says=f"{plural(len(idle), 'session')} idle in a transaction, for up to {oldest:.0f} s",
        pids=frozenset(idle),
    )


DRILL = Drill(
    name="idle-in-transaction",
    place=30,
    title="an idle session leaves its transaction open",
    hypothesis=(
        "Prometheus identifies the session by role and application; DBM also shows its last statement."
        " The log has no line, as no statement runs; the trace arrives only after the end."
    ),
    acts_as="credit_app: it updates rows to the same values, and is rolled back.",
    inject=inject,
    prove=prove,
    duration_s=55.0,
    sql=SQL,
    statements=frozenset({"hold_customers"}),
    signals=(*IDLE_IN_TRANSACTION,),
    alerts=("IdleInTransaction",),
    monitors=("IdleInTransaction",),
    runbook="IdleInTransaction",
)
