"""Missing index: the index of a frequent statement is dropped, as by a failed migration."""

import re

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.usual import rows_scanned, time_by_statement
from lab.foundation.settings import ROOT

INDEX = "credit_proposals_customer"
TABLE = "credit_proposals"
DEFINITION = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname = %s"
SCANS = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = %s"


def inject(scene: Scene) -> None:
    """Store the definition of the index, then drop it."""
    if found := scene.ask(DEFINITION, [INDEX]):
        scene.memo["definition"] = found[0][0]
    scene.since("scans", lambda: scene.value(SCANS, [TABLE]))
    scene.act(Role.OWNER, f"DROP INDEX IF EXISTS {INDEX}")


def prove(scene: Scene) -> Proof:
    """Check that the index is missing, and that the table is scanned instead."""
    gone = not scene.ask(DEFINITION, [INDEX])
    scans = scene.since("scans", lambda: scene.value(SCANS, [TABLE]))
    return Proof(
        holds=gone and scans > 0,
        says=f"{INDEX} is {'missing' if gone else 'present'}, {TABLE} was scanned {scans:.0f} times",
    )


def heal(scene: Scene) -> None:
    """Create the index again from its stored definition."""
    if not scene.ask(DEFINITION, [INDEX]):
        scene.act(Role.OWNER, scene.memo.get("definition") or _of_schema())


def _of_schema() -> str:
    """Return the statement of the schema: the memo may be lost, or the index may have been missing before."""
    schema = (ROOT / "postgres" / "init" / "20-schema.sql").read_text(encoding="utf-8")
    [statement] = re.findall(rf"CREATE INDEX {INDEX}\b[^;]*", schema)
    return str(statement)


DRILL = Drill(
    name="missing-index",
    place=50,
    title="the index of a customer's proposals is missing",
    hypothesis=(
        "Prometheus shows rows read by sequential scans and seconds per call, with the statement's name;"
        " DBM shows the time of the same statement, and the plan with its Seq Scan."
    ),
    acts_as="credit_owner: only the owner of a table may drop and create its indexes.",
    inject=inject,
    prove=prove,
    heal=heal,
    duration_s=75.0,
    statements=frozenset({"customer_history"}),
    services=frozenset({"credit-customers"}),
    signals=(
        *rows_scanned("credit_proposals"),
        *time_by_statement(busy=0.02, points=3),
    ),
    alerts=("SequentialScanSurge",),
    monitors=("SequentialScanSurge",),
    runbook="SequentialScanSurge",
)
