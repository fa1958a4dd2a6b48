"""Row lock chain: each session holds row locks that the next one waits for; the head is idle."""

from functools import partial

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession, statements
from lab.drills.usual import LOCK_WAITS
from lab.foundation.plural import plural
from lab.judge.signals import Events, Metric, Sessions, Spans

SQL = statements("""
-- name: lock_customers
-- Lock every tenth customer, as a consistent export that does not commit.
SELECT count(*) FROM (
    SELECT customer_id FROM customers WHERE customer_id %% 10 = %(link)s FOR UPDATE
) locked

-- name: lock_customers_again
-- The same, by later sessions, which have to wait.
SELECT count(*) FROM (
    SELECT customer_id, state FROM customers WHERE customer_id %% 10 = %(link)s FOR UPDATE
) awaited
""")
LINKS = 4
BEFORE_THE_NEXT_S = 0.2
BLOCKED = """
SELECT pid, application_name, pg_blocking_pids(pid) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND cardinality(pg_blocking_pids(pid)) > 0"""
HEADS = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'credit-drill' AND state = 'idle in transaction'"""


def _link(number: int, session: DrillSession) -> None:
    """Lock the rows of this link, then wait for those of the previous link; the head stays idle."""
    session.execute("BEGIN")
    if number == 0:
        session.run(SQL["lock_customers"], link=number)
    else:
        session.run(SQL["lock_customers_again"], link=number)
        session.idle(BEFORE_THE_NEXT_S)
        session.run(SQL["lock_customers_again"], link=number - 1)
    session.idle()


def inject(scene: Scene) -> None:
    """Start the head and the links behind it."""
    for number in range(scene.times(LINKS, at_least=2) + 1):
        scene.sessions.once(Role.APP, "export customers", partial(_link, number % 10))


def prove(scene: Scene) -> Proof:
    """Check that sessions wait, in a chain, for one that does not wait."""
    heads = frozenset(pid for (pid,) in scene.ask(HEADS))
    waits = {pid: set(blockers) for pid, _, blockers in scene.ask(BLOCKED)}
    links = {pid for pid, blockers in waits.items() if blockers & waits.keys()}
    return Proof(
        holds=bool(heads and links),
        says=f"{plural(len(waits), 'session')} waiting for a row lock, {len(links)} of them behind another",
        pids=heads,
    )


DRILL = Drill(
    name="row-lock-chain",
    place=10,
    title="a chain of sessions waits for the row locks of an idle session",
    hypothesis=(
        "DBM shows the chain with its head, and the head's last statement. Prometheus counts the waiting"
        " sessions, and not the blocking one. The log names the waiting statement and the holder's pid."
    ),
    acts_as="credit_app: it only locks rows of customers.",
    inject=inject,
    prove=prove,
    duration_s=45.0,
    sql=SQL,
    statements=frozenset({"lock_customers"}),
    signals=(
        Metric(says="sessions that wait for a lock", expr="pg_blocked_sessions_count", above=2),
        Metric(
            says="oldest lock wait, seconds",
            expr="pg_blocked_sessions_longest_wait_seconds",
            above=3,
        ),
        Sessions(
            says="sessions with a blocking pid", above=1, like=lambda s: bool(s.blocking_pids)
        ),
        LOCK_WAITS,
        Spans(
            says="operations of a service, ms",
            above=2000,
            each=True,
            like=lambda s: s.parent_id is None,
        ),
        Events(says="lock waits in the log", above=1, like=lambda e: e.kind == "lock_wait"),
    ),
    alerts=("SessionsBlocked", "LongLockWait"),
    monitors=("SessionsBlocked",),
    runbook="SessionsBlocked",
    aliases=("blocking",),
)
