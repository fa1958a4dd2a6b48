"""The mechanism of each kind, and what is conspicuous and harmless."""

from collections.abc import Callable
from functools import partial
from types import MappingProxyType

from lab.clients.database import Role
from lab.drills.drill import Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession
from lab.exam.items import Fault, Herring
from lab.exam.mechanisms import capacity, locks, outside, reading
from lab.exam.mechanisms.mechanism import Mechanism

MECHANISMS = MappingProxyType({
    "row-lock-chain": locks.CHAIN,
    "ddl-queue": locks.QUEUE,
    "idle-in-transaction": locks.OPEN,
    "deadlocks": locks.CROSSED,
    "missing-index": outside.INDEX,
    "stale-statistics": outside.STATISTICS,
    "sequential-scans": reading.SCAN,
    "slow-query": reading.JOIN,
    "cpu-bound-sql": reading.COMPUTE,
    "work-mem-spill": reading.SPILL,
    "n-plus-one": reading.PER_LINE,
    "burst": reading.VOLLEY,
    "rollback-storm": reading.RETRACT,
    "connection-exhaustion": capacity.EXHAUST,
    "held-snapshot": capacity.SNAPSHOT,
    "checkpoint-pressure": capacity.WAL,
    "slow-application": outside.SLOW,
    "service-stopped": outside.STOPPED,
    "exporter-stopped": outside.STOPPED,
    "agent-stopped": outside.STOPPED,
})  # fmt: skip
REPORT = "SELECT state, count(*), avg(monthly_income) FROM customers GROUP BY state"
EVERY_S = 20.0
IDLE_SESSIONS = 4
PREPARED = Proof(holds=True, says="")


def herring(name: str) -> Mechanism:
    """Return something harmless; there is nothing to prove."""
    return Mechanism(inject=_HARMLESS[Herring(name)], prove=lambda *_: PREPARED)


def _every(role: Role, sql: str, scene: Scene, fault: Fault) -> None:
    del fault
    work = partial(DrillSession.execute, sql=sql)
    scene.sessions.repeat(role, "maintenance", work, every_s=EVERY_S)


def _idle(scene: Scene, fault: Fault) -> None:
    """Keep some sessions open, without a transaction."""
    del fault
    for _ in range(IDLE_SESSIONS):
        scene.sessions.once(Role.LAB, "notebook", lambda session: session.idle())


_HARMLESS: MappingProxyType[Herring, Callable[[Scene, Fault], None]] = MappingProxyType({
    Herring.VACUUM: partial(_every, Role.OWNER, "VACUUM (ANALYZE) installments"),
    Herring.CHECKPOINT: partial(_every, Role.SUPERUSER, "CHECKPOINT"),
    Herring.REPORT: partial(_every, Role.APP, REPORT),
    Herring.IDLE: _idle,
})  # fmt: skip
