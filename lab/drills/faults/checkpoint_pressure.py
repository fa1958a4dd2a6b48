"""Checkpoint pressure: writes reach max_wal_size again and again, so that checkpoints are forced."""

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession, statements
from lab.judge.signals import Deltas, Events, Metric, Query

SQL = statements("""
-- name: import_lines
-- Four megabytes of lines that cannot be compressed.
INSERT INTO drill_import SELECT string_agg(md5(random()::text), '')
FROM generate_series(1, 125000) n GROUP BY n %% %(lines)s
""")
LINES = 500
# A small max_wal_size: with the usual 1 GB the drill would have to write that much per checkpoint.
MAKE = (
    "DROP TABLE IF EXISTS drill_import",
    "CREATE TABLE drill_import (line text) WITH (autovacuum_enabled = false)",
)
WAL_SIZE = "64MB"
COUNT = "SELECT checkpoints_req FROM pg_stat_bgwriter"
PAUSE_S = 0.3


def _import(session: DrillSession) -> None:
    session.run(SQL["import_lines"], lines=LINES)
    # As after a failed import: the table stays small.
    session.execute("TRUNCATE drill_import")


def inject(scene: Scene) -> None:
    """Lower max_wal_size, and start to write."""
    scene.since("checkpoints", lambda: scene.value(COUNT))
    scene.act(Role.SUPERUSER, f"ALTER SYSTEM SET max_wal_size = '{WAL_SIZE}'")
    scene.act(Role.SUPERUSER, "SELECT pg_reload_conf()")
    for step in MAKE:
        scene.act(Role.OWNER, step)
    scene.sessions.repeat(Role.OWNER, "import", _import, count=scene.times(1), every_s=PAUSE_S)


def prove(scene: Scene) -> Proof:
    """Check that more than one checkpoint was requested because of the WAL volume."""
    asked = scene.since("checkpoints", lambda: scene.value(COUNT))
    return Proof(holds=asked > 1, says=f"{asked:.0f} checkpoints were forced by the volume of WAL")


def heal(scene: Scene) -> None:
    """Reset max_wal_size, and drop the imported table."""
    scene.act(Role.SUPERUSER, "ALTER SYSTEM RESET max_wal_size")
    scene.act(Role.SUPERUSER, "SELECT pg_reload_conf()")
    scene.act(Role.OWNER, "DROP TABLE IF EXISTS drill_import")


DRILL = Drill(
    name="checkpoint-pressure",
    place=180,
    title="an import forces one checkpoint after the other",
    hypothesis=(
        "Both stacks count forced checkpoints, and WAL. The log has a line for each checkpoint. DBM has the"
        " WAL of each statement, so it names the writer."
    ),
    acts_as=(
        "superuser for max_wal_size, which only a superuser may change; credit_owner writes to a table of"
        " the drill."
    ),
    inject=inject,
    prove=prove,
    heal=heal,
    duration_s=45.0,
    sql=SQL,
    statements=frozenset({"import_lines"}),
    signals=(
        Metric(
            says="checkpoints forced in a minute",
            expr="increase(pg_stat_bgwriter_checkpoints_req_total[1m])",
            above=1,
        ),
        Metric(
            says="WAL, bytes a second",
            expr="rate(pg_stat_wal_bytes_total[1m])",
            above=500_000,
            times=3,
        ),
        Query(
            says="checkpoints forced in 15 s",
            query="sum:postgresql.bgwriter.checkpoints_requested{*}.as_count()",
            above=0,
            points=2,
        ),
        Query(
            says="WAL in 15 s, bytes",
            query="sum:postgresql.wal.bytes{*}.as_count()",
            above=7_500_000,
            times=3,
        ),
        Deltas(
            says="WAL in 10 s, bytes by statement",
            measure=lambda d: float(d.wal_bytes),
            above=5_000_000,
            times=3,
        ),
        Events(
            says="checkpoints in the log in 5 s",
            above=0,
            points=2,
            like=lambda e: e.kind == "checkpoint",
        ),
    ),
    alerts=("CheckpointPressure",),
    monitors=("CheckpointPressure",),
    runbook="CheckpointPressure",
    proves_within_s=120.0,
)
