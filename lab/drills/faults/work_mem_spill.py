"""work_mem spill: sorts that exceed work_mem write temporary files."""

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession, statements
from lab.drills.usual import time_by_statement
from lab.judge.signals import Deltas, Events, Metric, Query

SQL = statements("""
-- name: sort_installments
-- All columns of all installments in an order that no index has.
SELECT count(fee) FROM (
    SELECT * FROM installments WHERE number > 0 ORDER BY interest, due_date, installment_id OFFSET %(skipped)s
) sorted
""")
BYTES = "SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()"
MEGABYTE = 1_000_000


def _sort(session: DrillSession) -> None:
    session.execute("SET work_mem = '64kB'")
    session.run(SQL["sort_installments"], skipped=1)


def inject(scene: Scene) -> None:
    """Start the sessions that sort."""
    scene.since("bytes", lambda: scene.value(BYTES))
    scene.sessions.repeat(Role.APP, "report by interest", _sort, count=scene.times(2), every_s=0.3)


def prove(scene: Scene) -> Proof:
    """Check that temporary files were written."""
    written = scene.since("bytes", lambda: scene.value(BYTES)) / MEGABYTE
    return Proof(
        holds=written > 1,
        says=f"{written:.0f} MB of temporary files were written",
        pids=scene.own_pids(),
    )


DRILL = Drill(
    name="work-mem-spill",
    place=120,
    title="sorts that exceed work_mem write temporary files",
    hypothesis=(
        "Both stacks count temporary blocks by statement; the log has each file, with statement and"
        " trace."
    ),
    acts_as="credit_app: read-only; every session may set work_mem.",
    inject=inject,
    prove=prove,
    duration_s=60.0,
    sql=SQL,
    statements=frozenset({"sort_installments"}),
    signals=(
        Metric(
            says="bytes a second of temporary files",
            expr="rate(pg_stat_database_temp_bytes[1m])",
            above=100_000,
        ),
        Metric(
            says="temporary blocks a second, by queryid",
            expr="sum by (queryid) (rate(pg_stat_statements_temp_blocks_written_total[1m]))",
            above=10,
        ),
        Query(
            says="bytes a second of temporary files",
            query="sum:postgresql.temp_bytes{*} by {db}",
            above=100_000,
        ),
        *time_by_statement(busy=0.2),
        Deltas(
            says="temporary blocks in 10 s, by statement",
            measure=lambda d: d.temp_blks_written,
            above=100,
        ),
        Events(says="temporary files in the log", above=0, like=lambda e: e.kind == "temp_file"),
    ),
    alerts=("TempFileSpill",),
    monitors=("TempFileSpill",),
    runbook="TempFileSpill",
)
