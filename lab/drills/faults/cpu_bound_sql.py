"""CPU-bound statements: each session uses a processor, without a lock, disk access or wait event."""

import psutil

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.lasting import SERVER_SECONDS, MinimumDuration
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession, statements
from lab.drills.usual import ACTIVITY, long_statements, time_by_statement
from lab.foundation.plural import plural
from lab.judge.signals import Metric, Query, Sessions

SQL = statements(f"""
-- name: fingerprint_customers
-- A checksum of a few customers, computed many times.
SELECT count(*), {SERVER_SECONDS} FROM (SELECT customer_id FROM customers LIMIT 100) c
CROSS JOIN generate_series(1, %(rounds)s) n
WHERE md5(c.customer_id::text || n::text) < '0001'
""")
ROUNDS = 3_000
SLOW_MS = 500
DURATION_S = 1.0
# On a processor, or waiting for one: PostgreSQL does not distinguish the two.
BUSY = """
SELECT pid FROM pg_stat_activity
WHERE application_name = %s AND state = 'active' AND wait_event IS NULL"""


def _compute(session: DrillSession, rounds: int) -> float:
    return float(session.run(SQL["fingerprint_customers"], rounds=rounds)[0][-1])


def inject(scene: Scene) -> None:
    """Start a session for each processor."""
    processors = psutil.cpu_count() or 1
    work = MinimumDuration(_compute, scene.times(ROUNDS), at_least_s=DURATION_S)
    scene.sessions.repeat(Role.APP, "fingerprints", work, count=scene.times(processors))


def prove(scene: Scene) -> Proof:
    """Check that sessions of the drill are active without a wait event."""
    busy = frozenset(pid for (pid,) in scene.ask(BUSY, [scene.sessions.application]))
    return Proof(
        holds=bool(busy),
        says=f"{plural(len(busy), 'session')} active without a wait event",
        pids=busy,
    )


DRILL = Drill(
    name="cpu-bound-sql",
    place=90,
    title="statements that only compute, one for each processor",
    hypothesis=(
        "Both stacks show active sessions without a wait event and name the statement. Neither shows the"
        " use of the processor; all other statements become slower."
    ),
    acts_as="credit_app: read-only.",
    inject=inject,
    prove=prove,
    duration_s=45.0,
    sql=SQL,
    statements=frozenset({"fingerprint_customers"}),
    signals=(
        Metric(
            says="active sessions without a wait event",
            expr='sum by (wait_event) (wait_event:pg_active_sessions:sum{wait_event="CPU"})',
            above=1,
        ),
        Query(
            says="sessions without a wait event, by application",
            query=(
                "sum:postgresql.activity.wait_event{wait_event:nowaitevent, backend_type:client_backend}"
                " by {app}"
            ),
            needs=ACTIVITY,
            above=1,
        ),
        *time_by_statement(busy=0.2),
        Sessions(
            says="active sessions without a wait event",
            above=1,
            points=2,
            like=lambda s: (
                s.state == "active" and s.wait_event is None and s.backend_type == "client backend"
            ),
        ),
        *long_statements(ms=SLOW_MS),
    ),
    runbook="StatementSlower",
    aliases=("cpu",),
)
