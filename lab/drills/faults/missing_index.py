"""An index that a frequent statement lives on is dropped, as by a migration that went wrong."""

import re

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.usual import time_by_statement
from lab.foundation.settings import ROOT
from lab.judge.signals import Metric

INDEX = "credit_proposals_customer"
TABLE = "credit_proposals"
DEFINITION = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname = %s"
SCANS = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = %s"


def inject(scene: Scene) -> None:
    """Note how the index is made, then drop it."""
    if found := scene.ask(DEFINITION, [INDEX]):
        scene.memo["definition"] = found[0][0]
    scene.since("scans", lambda: scene.value(SCANS, [TABLE]))
    scene.act(Role.OWNER, f"DROP INDEX IF EXISTS {INDEX}")


def prove(scene: Scene) -> Proof:
    """The index is gone, and the table is scanned instead."""
    gone = not scene.ask(DEFINITION, [INDEX])
    scans = scene.since("scans", lambda: scene.value(SCANS, [TABLE]))
    return Proof(
        holds=gone and scans > 0,
        says=f"{INDEX} is {'gone' if gone else 'there'}, {TABLE} was scanned {scans:.0f} times",
    )


def heal(scene: Scene) -> None:
    """Make the index again, by its own definition."""
    if not scene.ask(DEFINITION, [INDEX]):
        scene.act(Role.OWNER, scene.memo.get("definition") or _of_schema())


def _of_schema() -> str:
    """Return the schema's own statement: the memo may be lost, or there was no index to begin with."""
    schema = (ROOT / "postgres" / "init" / "20-schema.sql").read_text(encoding="utf-8")
    [statement] = re.findall(rf"CREATE INDEX {INDEX}\b[^;]*", schema)
    return str(statement)


DRILL = Drill(
    name="missing-index",
    place=50,
    title="the index of a customer's proposals is gone",
    hypothesis=(
        "Prometheus sees rows read by sequential scans and seconds per call, with the statement's name;"
        " DBM sees the time of the same statement, and the plan with its Seq Scan."
    ),
    acts_as="credit_owner: only the owner of a table may drop and create its indexes.",
    inject=inject,
    prove=prove,
    heal=heal,
    lasts_s=75.0,
    statements=frozenset({"customer_history"}),
    services=frozenset({"credit-customers"}),
    signals=(
        Metric(
            says="rows a second of credit_proposals read by sequential scans",
            expr='rate(pg_stat_user_tables_seq_tup_read{relname="credit_proposals"}[1m])',
            above=10_000,
            times=3,
        ),
        *time_by_statement(busy=0.02, points=3),
    ),
    alerts=("SequentialScanSurge",),
    runbook="SequentialScanSurge",
)
