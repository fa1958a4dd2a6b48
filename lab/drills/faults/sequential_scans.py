"""Sequential scans: a new statement reads a large table repeatedly, as no index matches its condition."""

from functools import partial

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession, statements
from lab.drills.usual import rows_scanned, time_by_statement

SQL = statements("""
-- name: installments_by_month
-- Installments by month: the expression hides the due date from its index.
SELECT count(*), sum(principal + interest + fee) FROM installments
WHERE to_char(due_date, 'YYYY-MM') = to_char(current_date, 'YYYY-MM')
""")
SCANS = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'installments'"


def inject(scene: Scene) -> None:
    """Start the sessions."""
    scene.since("scans", lambda: scene.value(SCANS))
    report = partial(DrillSession.run, statement=SQL["installments_by_month"])
    scene.sessions.repeat(Role.APP, "report by month", report, count=scene.times(2), every_s=0.2)


def prove(scene: Scene) -> Proof:
    """Check that the table's count of sequential scans grows."""
    scans = scene.since("scans", lambda: scene.value(SCANS))
    return Proof(
        holds=scans > 1, says=f"installments was scanned {scans:.0f} times", pids=scene.own_pids()
    )


DRILL = Drill(
    name="sequential-scans",
    place=70,
    title="a new report scans all installments repeatedly",
    hypothesis=(
        "Prometheus shows rows read by sequential scans, and the new statement's time; DBM names the"
        " statement and shows its plan; the trace shows the operation that runs it."
    ),
    acts_as="credit_app: read-only.",
    inject=inject,
    prove=prove,
    duration_s=60.0,
    sql=SQL,
    statements=frozenset({"installments_by_month"}),
    signals=(
        *rows_scanned("installments"),
        *time_by_statement(busy=0.2),
    ),
    alerts=("SequentialScanSurge",),
    monitors=("SequentialScanSurge",),
    runbook="SequentialScanSurge",
    aliases=("seq-scan",),
)
