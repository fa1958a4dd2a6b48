"""Cache eviction: an index scan of a table larger than shared_buffers; it uses no ring buffer."""

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession, statements
from lab.drills.usual import RELATIONS, time_by_statement
from lab.judge.signals import Deltas, Metric, Query, Sessions

SQL = statements("""
-- name: read_archive
-- Rows of an archive, one by one by their number: each is a block that is not in the cache.
SELECT count(note) FROM generate_series(%(first)s, %(last)s) n
CROSS JOIN LATERAL (SELECT note FROM drill_archive WHERE line = n OFFSET 0) a
""")
# One row per block: 340 MB; shared_buffers is 256 MB.
ROWS = 43_000
BATCH = 4_000
MAKE = (
    "DROP TABLE IF EXISTS drill_archive",
    "CREATE UNLOGGED TABLE drill_archive (line int, note text) WITH (autovacuum_enabled = false)",
    # Otherwise compression makes 80 bytes of 7,000 equal letters, and the table has 3 MB.
    "ALTER TABLE drill_archive ALTER COLUMN note SET STORAGE PLAIN",
    f"INSERT INTO drill_archive SELECT n, repeat('x', 7000) FROM generate_series(1, {ROWS}) n",
    "CREATE INDEX ON drill_archive (line)",
    "GRANT SELECT ON drill_archive TO credit_app",
)
READS = "SELECT heap_blks_read FROM pg_statio_user_tables WHERE relname = 'drill_archive'"
CACHED = """
SELECT count(*) FILTER (WHERE relfilenode = pg_relation_filenode('drill_archive'))::float / count(*)
FROM pg_buffercache"""
MOSTLY = 0.5
MANY = 1000


class _Reader:
    """Reads the archive in batches, and starts again at its end."""

    def __init__(self) -> None:
        self._next = 1

    def read(self, session: DrillSession) -> None:
        """Read the next batch by an index scan: a sequential scan would use a ring buffer."""
        session.execute("SET enable_seqscan = off")
        session.run(SQL["read_archive"], first=self._next, last=self._next + BATCH - 1)
        self._next = 1 if self._next + BATCH > ROWS else self._next + BATCH


def inject(scene: Scene) -> None:
    """Create the archive, and start to read it."""
    for step in MAKE:
        scene.act(Role.OWNER, step)
    for _ in range(scene.times(1)):
        reader = _Reader()
        scene.sessions.repeat(Role.APP, "export archive", reader.read, every_s=0.05)


def prove(scene: Scene) -> Proof:
    """Check that most of the cache is the archive's, and that its blocks are still read from disk."""
    reads = scene.since("reads", lambda: scene.value(READS))
    share = float(scene.memo.get("share", "0"))
    if share < MOSTLY:
        share = float(scene.value(CACHED))
        scene.memo["share"] = f"{share:.3f}"
    return Proof(
        holds=share >= MOSTLY and reads > MANY,
        says=f"{share:.0%} of the cache was the archive's; {reads:.0f} blocks of it were read",
    )


def heal(scene: Scene) -> None:
    """Drop the archive; the cache then fills with the blocks in use."""
    scene.act(Role.OWNER, "DROP TABLE IF EXISTS drill_archive")


DRILL = Drill(
    name="cache-eviction",
    place=170,
    title="a table larger than shared_buffers is read repeatedly",
    hypothesis=(
        "Both stacks show the hit ratio of the table, and blocks read from the others. DBM shows"
        " blocks read by statement. Neither shows whose blocks were evicted."
    ),
    acts_as="credit_owner creates and drops a table; credit_app reads it.",
    inject=inject,
    prove=prove,
    heal=heal,
    duration_s=120.0,
    sql=SQL,
    statements=frozenset({"read_archive"}),
    signals=(
        *time_by_statement(busy=0.1),
        Metric(
            says="blocks a second read into the cache, by table",
            expr="sum by (relname) (rate(pg_statio_user_tables_heap_blocks_read[1m]))",
            above=50,
            times=3,
        ),
        Metric(
            says="blocks a second read into the cache, by queryid",
            expr="sum by (queryid) (rate(pg_stat_statements_shared_blocks_read_total[1m]))",
            above=50,
            times=3,
        ),
        Query(
            says="blocks a second read into the cache, by table",
            query="sum:postgresql.heap_blocks_read{*} by {table}",
            needs=RELATIONS,
            above=50,
            times=3,
        ),
        Deltas(
            says="blocks read into the cache in 10 s, by statement",
            measure=lambda d: d.shared_blks_read,
            above=500,
            times=3,
            points=2,
        ),
        Sessions(
            says="sessions that wait for a read",
            above=0,
            times=2,
            points=2,
            like=lambda s: s.wait_event == "DataFileRead",
        ),
    ),
    alerts=("CacheHitRatioLow",),
    monitors=("CacheHitRatioLow",),
    runbook="CacheHitRatioLow",
    proves_within_s=120.0,
)
