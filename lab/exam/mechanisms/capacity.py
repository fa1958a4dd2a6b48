"""Limits of the server: sessions of a role, dead tuples under a snapshot, WAL between checkpoints."""

import itertools
from functools import partial

from lab.clients.database import Role
from lab.drills.drill import Proof
from lab.drills.faults import connection_exhaustion
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession
from lab.exam.items import Fault
from lab.exam.mechanisms.mechanism import Mechanism, named, of_scene, only, texts
from lab.foundation.errors import DatabaseError
from lab.foundation.plural import plural
from workload.statements import Statement

DEAD = """
SELECT n_dead_tup, n_dead_tup::float / greatest(n_live_tup + n_dead_tup, 1)
FROM pg_stat_user_tables WHERE relname = %s"""
HOLDERS = """
SELECT pid FROM pg_stat_activity
WHERE application_name = %s AND backend_xmin IS NOT NULL AND state = 'idle in transaction'"""
MUCH = 0.2
PARTS = 20
WAL_SIZE = "64MB"
LINES = 500
FORCED = "SELECT checkpoints_req FROM pg_stat_bgwriter"
STAGING = "import_staging"
REPORT = f"""
-- name: APP_quarter
-- The first statement of a long report.
SELECT count(*) FROM VICTIM
-- name: APP_refresh
-- A part of the rows, to the same values.
UPDATE VICTIM SET SAME = SAME WHERE KEY %% {PARTS} = %(part)s
"""
LOAD = f"""
-- name: APP_load
-- Four megabytes of lines that cannot be compressed.
INSERT INTO {STAGING} SELECT string_agg(md5(random()::text), '')
FROM generate_series(1, 125000) n GROUP BY n %% %(lines)s
"""


def _prove_exhausted(scene: Scene) -> Proof:
    own = scene.own_pids()
    try:
        scene.act(Role.APP, "SELECT 1")
    except DatabaseError as error:
        refused = connection_exhaustion.TOO_MANY in str(error)
        says = f"{len(own)} sessions of the application; one more is refused"
        return Proof(holds=refused and bool(own), says=says if refused else str(error), pids=own)
    return Proof(
        holds=False, says=f"{plural(len(own), 'session')}, and one more is accepted", pids=own
    )


def _hold(statement: Statement, session: DrillSession) -> None:
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    session.run(statement)
    session.idle()


def _refresh(statement: Statement, parts: "itertools.cycle[int]", session: DrillSession) -> None:
    session.run(statement, part=next(parts))


def _snapshot(scene: Scene, fault: Fault) -> None:
    quarter, refresh = texts(fault, REPORT).values()
    scene.sessions.once(Role.APP, "quarter", partial(_hold, quarter))
    work = partial(_refresh, refresh, itertools.cycle(range(PARTS)))
    scene.sessions.repeat(Role.APP, "refresh", work, every_s=0.5 / scene.intensity)


def _prove_snapshot(scene: Scene, fault: Fault) -> Proof:
    [[dead, share]] = scene.ask(DEAD, [fault.victim])
    holders = frozenset(pid for (pid,) in scene.ask(HOLDERS, [fault.culprits[0]]))
    return Proof(
        holds=bool(holders) and share > MUCH,
        says=f"{dead} tuples of {fault.victim} are dead, {share:.0%}; {len(holders)} old snapshot",
        pids=holders,
    )


def _load(statement: Statement, session: DrillSession) -> None:
    session.run(statement, lines=LINES)
    session.execute(f"TRUNCATE {STAGING}")


def _wal(scene: Scene, fault: Fault) -> None:
    scene.since("checkpoints", lambda: scene.value(FORCED))
    scene.act(Role.SUPERUSER, f"ALTER SYSTEM SET max_wal_size = '{WAL_SIZE}'")
    scene.act(Role.SUPERUSER, "SELECT pg_reload_conf()")
    scene.act(Role.OWNER, f"DROP TABLE IF EXISTS {STAGING}")
    scene.act(Role.OWNER, f"CREATE TABLE {STAGING} (line text) WITH (autovacuum_enabled = false)")
    work = partial(_load, only(named(fault, LOAD)))
    scene.sessions.repeat(Role.OWNER, "load", work, count=scene.times(1), every_s=0.3)


def _prove_wal(scene: Scene) -> Proof:
    forced = scene.since("checkpoints", lambda: scene.value(FORCED))
    says = f"{forced:.0f} checkpoints were forced by the volume of WAL"
    return Proof(holds=forced > 1, says=says, pids=scene.own_pids())


EXHAUST = Mechanism(inject=of_scene(connection_exhaustion.inject), prove=of_scene(_prove_exhausted))
SNAPSHOT = Mechanism(inject=_snapshot, prove=_prove_snapshot, sql=partial(texts, text=REPORT))
WAL = Mechanism(inject=_wal, prove=of_scene(_prove_wal), sql=partial(named, text=LOAD))
