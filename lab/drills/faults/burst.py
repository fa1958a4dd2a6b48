"""Bursts: every few seconds several sessions execute a statement at full speed, for less than a second."""

import time

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession, statements
from lab.drills.usual import many_calls

SQL = statements("""
-- name: count_recent
-- Proposals of the last days of the seed: a few milliseconds.
SELECT count(*) FROM credit_proposals
WHERE submitted_at > (SELECT max(submitted_at) FROM credit_proposals) - interval '30 days'
""")
SESSIONS = 6
DURATION_S = 0.5
PAUSE_S = 7.0


def _burst(session: DrillSession) -> None:
    until = time.monotonic() + DURATION_S
    while time.monotonic() < until:
        session.run(SQL["count_recent"])


def inject(scene: Scene) -> None:
    """Start the sessions; their bursts coincide, and so do their pauses."""
    scene.since("calls", lambda: scene.calls("count_recent"))
    scene.sessions.repeat(Role.APP, "burst", _burst, count=scene.times(SESSIONS), every_s=PAUSE_S)


def prove(scene: Scene) -> Proof:
    """Check that the statement was called many times."""
    calls = scene.since("calls", lambda: scene.calls("count_recent"))
    return Proof(
        holds=calls > scene.times(SESSIONS) * 2,
        says=f"it was called {calls:.0f} times",
        pids=scene.own_pids(),
    )


DRILL = Drill(
    name="burst",
    place=140,
    title="bursts of half a second, every seven seconds",
    hypothesis=(
        "Counters show it, samples may miss it: DBM samples once a second, Prometheus every ten seconds."
        " Spans show every execution."
    ),
    acts_as="credit_app: read-only.",
    inject=inject,
    prove=prove,
    duration_s=45.0,
    sql=SQL,
    statements=frozenset({"count_recent"}),
    signals=many_calls(per_s=8, in_10_s=100),
    runbook="StatementSlower",
)
