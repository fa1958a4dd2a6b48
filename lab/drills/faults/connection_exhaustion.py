"""Connection exhaustion: sessions of credit_app are opened up to the role's connection limit."""

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.usual import ACTIVITY
from lab.foundation.errors import DatabaseError
from lab.foundation.plural import plural
from lab.judge.evidence import Observer
from lab.judge.signals import Events, Metric, Query, Sessions

COUNT = "SELECT pid, application_name FROM pg_stat_activity WHERE usename = 'credit_app'"
LIMIT = "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'credit_app'"
TOO_MANY = "too many connections"
REFUSED = "53300"


def inject(scene: Scene) -> None:
    """Start to open sessions up to the role's connection limit; none is closed."""
    scene.sessions.exhaust(Role.APP, scene.value(LIMIT))


def prove(scene: Scene) -> Proof:
    """Check that one more session of the role is refused."""
    found = scene.ask(COUNT)
    own = frozenset(pid for pid, application in found if application == "credit-drill")
    try:
        scene.act(Role.APP, "SELECT 1")
    except DatabaseError as error:
        refused = TOO_MANY in str(error)
        says = f"of {len(found)} sessions {len(own)} are the drill's; one more is refused"
        return Proof(holds=refused and bool(own), says=says if refused else str(error), pids=own)
    return Proof(
        holds=False, says=f"{plural(len(found), 'session')}, and one more is accepted", pids=own
    )


DRILL = Drill(
    name="connection-exhaustion",
    place=100,
    title="one application opens all sessions that the role may have",
    hypothesis=(
        "Both stacks count the sessions by application: DBM's activity events count idle ones, too, although"
        " its samples show only active ones. Pooled connections stay open, so only new ones are refused."
    ),
    acts_as="credit_app: its sessions are idle. The other roles have their own limits, and can connect.",
    inject=inject,
    prove=prove,
    duration_s=45.0,
    signals=(
        Metric(
            says="sessions by application",
            expr=(
                "sum by (usename, application_name) (pg_stat_activity_count"
                '{usename="credit_app", backend_type="client backend"})'
            ),
            above=20,
        ),
        Sessions(
            says="sessions of credit_app",
            above=20,
            like=lambda s: s.role == "credit_app" and s.backend_type == "client backend",
        ),
        # Computed from all sessions of an activity event, idle ones included.
        Query(
            says="connections by application",
            observer=Observer.DBM,
            query="sum:postgresql.connections{user:credit_app} by {app}",
            above=20,
        ),
        Query(
            says="sessions by application",
            query="sum:postgresql.activity.wait_event{user:credit_app} by {app}",
            needs=ACTIVITY,
            above=20,
        ),
        Query(
            says="share of max_connections in use",
            query="max:postgresql.percent_usage_connections{*}",
            above=0.3,
        ),
        Events(says="refusals in the log", above=0, like=lambda e: e.sqlstate == REFUSED),
    ),
    alerts=("ConnectionsNearLimit",),
    monitors=("ConnectionsNearLimit", "ConnectionsNearLimit-credit_app"),
    runbook="ConnectionsNearLimit",
)
