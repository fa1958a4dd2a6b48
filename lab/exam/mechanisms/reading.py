"""Statements that read: scans, a join without its condition, computing, sorts, N+1, bursts, rollbacks."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import psutil

from lab.clients.database import Role
from lab.drills.drill import Proof
from lab.drills.faults import cpu_bound_sql, rollback_storm, work_mem_spill
from lab.drills.lasting import SERVER_SECONDS, MinimumDuration
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession
from lab.exam.items import Fault
from lab.exam.mechanisms.mechanism import Mechanism, of_scene, only, texts
from workload.statements import Statement

# List of an N+1, and its lines: the table of the list, and the column of the line.
LISTS = MappingProxyType({
    "installments": ("credit_contracts", "contract_id"),
    "credit_proposals": ("customers", "customer_id"),
    "credit_transactions": ("credit_contracts", "contract_id"),
})  # fmt: skip
SCANS = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = %s"
SLOWEST = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0)::float
FROM pg_stat_activity WHERE application_name = %s AND state = 'active'"""
SLOW_S, DURATION_S = 0.3, 0.9
ROWS, ROUNDS = 1200, 3_000
LINES = 150
BURST_S, BURST_PAUSE_S, BURST_SESSIONS = 0.5, 7.0, 6
MONTH = """
-- name: APP_month
-- Rows of the current month.
SELECT count(*), max(KEY) FROM VICTIM WHERE to_char(DAY, 'YYYY-MM') = to_char(current_date, 'YYYY-MM')
"""
PAIRS = f"""
-- name: APP_offers
-- Rows for each customer, for some months.
SELECT c.state, count(*), max(t.KEY), {SERVER_SECONDS}
FROM (SELECT * FROM customers LIMIT %(rows)s) c
CROSS JOIN (SELECT * FROM VICTIM LIMIT %(rows)s) t
CROSS JOIN generate_series(1, %(size)s) month
WHERE c.customer_id + t.KEY > month
GROUP BY c.state
"""
CHECKSUM = f"""
-- name: APP_checksum
-- A checksum of a few rows.
SELECT count(*), {SERVER_SECONDS} FROM (SELECT KEY FROM VICTIM LIMIT 100) c
CROSS JOIN generate_series(1, %(size)s) n
WHERE md5(c.KEY::text || n::text || %(rows)s::text) < '0001'
"""
RANKING = """
-- name: APP_ranking
-- All rows in the order of a report.
SELECT count(KEY) FROM (
    SELECT * FROM VICTIM WHERE KEY > 0 ORDER BY md5(KEY::text), DAY OFFSET %(skipped)s
) ranked
"""
RECENT = """
-- name: APP_recent
-- Rows of the last days of the seed.
SELECT count(*) FROM VICTIM WHERE DAY > (SELECT max(DAY) FROM VICTIM) - interval '30 days'
"""
CHECK = """
-- name: APP_check
-- A row, before a validation.
SELECT * FROM VICTIM ORDER BY KEY LIMIT 1
"""


def _scan(scene: Scene, fault: Fault) -> None:
    scene.since("scans", lambda: scene.value(SCANS, [fault.victim]))
    work = partial(DrillSession.run, statement=only(texts(fault, MONTH)))
    scene.sessions.repeat(Role.APP, "month", work, count=scene.times(2), every_s=0.2)


def _prove_scan(scene: Scene, fault: Fault) -> Proof:
    scans = scene.since("scans", lambda: scene.value(SCANS, [fault.victim]))
    says = f"{fault.victim} was scanned {scans:.0f} times"
    return Proof(holds=scans > 1, says=says, pids=scene.own_pids())


def _sized(statement: Statement, rows: int, session: DrillSession, size: int) -> float:
    return float(session.run(statement, rows=rows, size=size)[0][-1])


def _join(scene: Scene, fault: Fault) -> None:
    rows = scene.times(ROWS, at_least=500)
    work = MinimumDuration(
        partial(_sized, only(texts(fault, PAIRS)), rows), 1, at_least_s=DURATION_S
    )
    scene.sessions.repeat(Role.APP, "offers", work, every_s=0.5)


def _prove_slow(scene: Scene, fault: Fault) -> Proof:
    oldest = max(float(scene.memo.get("oldest", "0")), scene.value(SLOWEST, [fault.culprits[0]]))
    scene.memo["oldest"] = str(oldest)
    says = f"a statement was seen {oldest:.1f} s after its start"
    return Proof(holds=oldest > SLOW_S, says=says, pids=scene.own_pids())


def _compute(scene: Scene, fault: Fault) -> None:
    work = MinimumDuration(
        partial(_sized, only(texts(fault, CHECKSUM)), 1), scene.times(ROUNDS), at_least_s=1.0
    )
    count = scene.times(psutil.cpu_count() or 1)
    scene.sessions.repeat(Role.APP, "checksum", work, count=count)


def _sort(statement: Statement, session: DrillSession) -> None:
    session.execute("SET work_mem = '64kB'")
    session.run(statement, skipped=1)


def _spill(scene: Scene, fault: Fault) -> None:
    scene.since("bytes", lambda: scene.value(work_mem_spill.BYTES))
    work = partial(_sort, only(texts(fault, RANKING)))
    scene.sessions.repeat(Role.APP, "ranking", work, count=scene.times(2), every_s=0.3)


def _page(fault: Fault) -> Mapping[str, Statement]:
    listed, column = LISTS[fault.victim]
    return texts(
        fault,
        f"""
-- name: APP_line
-- The figures of one line.
SELECT count(*), max(KEY) FROM VICTIM WHERE {column} = %(id)s
-- name: APP_page
-- The ids of a page.
SELECT {column} FROM {listed} ORDER BY {column} LIMIT %(lines)s
""",
    )


def _show(line: Statement, page: Statement, lines: int, session: DrillSession) -> None:
    for (each,) in session.run(page, lines=lines):
        session.run(line, id=each)


def _lines(scene: Scene, fault: Fault) -> None:
    line, page = _page(fault).values()
    scene.since("calls", partial(scene.calls, line.name))
    work = partial(_show, line, page, scene.times(LINES, at_least=20))
    scene.sessions.repeat(Role.APP, "page", work, count=2, every_s=0.5)


def _prove_calls(
    text: Callable[[Fault], Mapping[str, Statement]], least: float, scene: Scene, fault: Fault
) -> Proof:
    first = next(iter(text(fault).values()))
    calls = scene.since("calls", partial(scene.calls, first.name))
    says = f"{first.name} was called {calls:.0f} times"
    return Proof(holds=calls > least * scene.intensity, says=says, pids=scene.own_pids())


_recent = partial(texts, text=RECENT)


def _volley(statement: Statement, session: DrillSession) -> None:
    until = time.monotonic() + BURST_S
    while time.monotonic() < until:
        session.run(statement)


def _burst(scene: Scene, fault: Fault) -> None:
    statement = only(_recent(fault))
    scene.since("calls", partial(scene.calls, statement.name))
    count = scene.times(BURST_SESSIONS)
    work = partial(_volley, statement)
    scene.sessions.repeat(Role.APP, "recent", work, count=count, every_s=BURST_PAUSE_S)


def _attempt(statement: Statement, session: DrillSession) -> None:
    session.execute("BEGIN")
    session.run(statement)
    session.execute("ROLLBACK")


def _rollbacks(scene: Scene, fault: Fault) -> None:
    scene.since("rollbacks", lambda: scene.value(rollback_storm.COUNT))
    work = partial(_attempt, only(texts(fault, CHECK)))
    scene.sessions.repeat(Role.APP, "check", work, count=scene.times(2), every_s=0.04)


SCAN = Mechanism(inject=_scan, prove=_prove_scan, sql=partial(texts, text=MONTH))
JOIN = Mechanism(inject=_join, prove=_prove_slow, sql=partial(texts, text=PAIRS))
COMPUTE = Mechanism(
    inject=_compute, prove=of_scene(cpu_bound_sql.prove), sql=partial(texts, text=CHECKSUM)
)
SPILL = Mechanism(
    inject=_spill, prove=of_scene(work_mem_spill.prove), sql=partial(texts, text=RANKING)
)
PER_LINE = Mechanism(inject=_lines, prove=partial(_prove_calls, _page, LINES), sql=_page)
VOLLEY = Mechanism(
    inject=_burst, prove=partial(_prove_calls, _recent, 2 * BURST_SESSIONS), sql=_recent
)
RETRACT = Mechanism(
    inject=_rollbacks, prove=of_scene(rollback_storm.prove), sql=partial(texts, text=CHECK)
)
