"""Stale statistics: those of installments are set as for one contract, as in the first hour of a table."""

from typing import Any

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.usual import IN_A_ROW, rows_scanned, time_by_statement
from lab.judge.signals import Slow

# The result of ANALYZE with a single contract: one distinct value, no most common values.
AGE = """
UPDATE pg_statistic SET stadistinct = 1, stakind1 = 0, stakind2 = 0, stakind3 = 0,
    stanumbers1 = NULL, stanumbers2 = NULL, stanumbers3 = NULL,
    stavalues1 = NULL, stavalues2 = NULL, stavalues3 = NULL
WHERE starelid = 'installments'::regclass
  AND staattnum = (SELECT attnum FROM pg_attribute
                   WHERE attrelid = 'installments'::regclass AND attname = 'contract_id')"""
AUTOVACUUM = "ALTER TABLE installments SET (autovacuum_enabled = false)"
AUTOVACUUM_AGAIN = "ALTER TABLE installments RESET (autovacuum_enabled)"
# The statement of credit-underwriting, with a customer who has contracts.
EXPOSURE = """
EXPLAIN (FORMAT JSON)
SELECT count(DISTINCT c.contract_id), coalesce(sum(i.principal + i.interest + i.fee), 0),
       count(i.installment_id) FILTER (WHERE i.status = 'overdue')
FROM credit_contracts c
JOIN installments i ON i.contract_id = c.contract_id AND i.status <> 'paid'
WHERE c.customer_id = %s AND c.status = 'active'"""
CUSTOMER = "SELECT customer_id FROM credit_contracts WHERE status = 'active' LIMIT 1"
SCANS = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'installments'"


def inject(scene: Scene) -> None:
    """Make the statistics stale, with autovacuum off for the table so that they stay stale."""
    scene.act(Role.OWNER, AUTOVACUUM)
    scene.act(Role.SUPERUSER, AGE)
    scene.since("scans", lambda: scene.value(SCANS))


def prove(scene: Scene) -> Proof:
    """Check that a plan of credit-underwriting scans all installments, and that the table is scanned."""
    [[customer]] = scene.ask(CUSTOMER)
    [[[plan]]] = scene.ask(EXPOSURE, [customer])
    scans = scene.since("scans", lambda: scene.value(SCANS))
    flipped = _scans_all(plan["Plan"])
    return Proof(
        holds=flipped and scans > 0,
        says=f"the plan {'reads all' if flipped else 'looks up'} installments,"
        f" which were scanned {scans:.0f} times",
    )


def heal(scene: Scene) -> None:
    """Analyze the table, and enable autovacuum for it again."""
    scene.act(Role.OWNER, AUTOVACUUM_AGAIN)
    scene.act(Role.OWNER, "ANALYZE installments")


def _scans_all(node: dict[str, Any]) -> bool:
    own = node["Node Type"] == "Seq Scan" and node.get("Relation Name") == "installments"
    return own or any(_scans_all(child) for child in node.get("Plans", ()))


DRILL = Drill(
    name="stale-statistics",
    place=60,
    title="old statistics turn two plans into scans of all installments",
    hypothesis=(
        "DBM shows another plan for the same statement. Prometheus shows the same queryid with more"
        " seconds per call, and rows read by scans; it does not show that the plan changed."
    ),
    acts_as=(
        "superuser for one UPDATE of pg_statistic, which only a superuser may run; credit_owner turns"
        " autovacuum off and on, and analyzes."
    ),
    inject=inject,
    prove=prove,
    heal=heal,
    duration_s=95.0,
    statements=frozenset({"customer_exposure", "account_statement"}),
    services=frozenset({"credit-underwriting", "credit-customers"}),
    signals=(
        *rows_scanned("installments"),
        *time_by_statement(busy=0.2),
        Slow(says="executions in the log, ms", above=100, points=IN_A_ROW),
    ),
    alerts=("StatementSlower", "SequentialScanSurge"),
    monitors=("StatementSlower", "SequentialScanSurge"),
    runbook="StatementSlower",
    proves_within_s=60.0,
)
