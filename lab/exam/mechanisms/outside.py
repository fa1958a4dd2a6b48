"""Faults without sessions of their own: an index, statistics, a slow service, a stopped component."""

from collections.abc import Mapping
from functools import partial

from lab.clients.database import Role
from lab.drills import processes
from lab.drills.drill import Proof
from lab.drills.faults import stale_statistics
from lab.drills.faults.slow_application import DELAY_S, client_of, start_delay
from lab.drills.processes import Stoppage
from lab.drills.scene import Scene
from lab.exam.items import Fault
from lab.exam.mechanisms.mechanism import Mechanism, of_scene
from workload.statements import STATEMENTS, Statement

# The statements whose plan an index decides, and those of old statistics.
USED_BY = {
    "credit_proposals_customer": ("customer_history",),
    "credit_proposals_submitted": ("product_detail",),
    "installments_open_due": ("mark_overdue",),
    "installments": ("customer_exposure", "account_statement"),
}
PRESENT = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public' AND indexname = %s"
WORK = """
SELECT coalesce(sum(calls), 0)::bigint, coalesce(sum(rows), 0)::bigint,
       coalesce(sum(shared_blks_hit + shared_blks_read), 0)::bigint
FROM pg_stat_statements
WHERE query ~ %s AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"""
# An index that the planner replaces at the same cost is no fault that an observer could show.
COSTLIER = 1.5
PREFIX = "credit-"


def _statements(fault: Fault) -> Mapping[str, Statement]:
    return {name: STATEMENTS[name] for name in USED_BY.get(fault.victim, ())}


def _drop(scene: Scene, fault: Fault) -> None:
    scene.memo["work"] = " ".join(map(str, _work(scene, fault)))
    scene.act(Role.OWNER, f"DROP INDEX {fault.victim}")


def _prove_drop(scene: Scene, fault: Fault) -> Proof:
    """Check that the index is missing, and that its statements read more blocks than before.

    The planner may use another index instead, in full, so the number of sequential scans proves nothing.
    Blocks are counted per call and row: how many rows a customer has is chance, and twenty calls are few.
    """
    gone = not scene.value(PRESENT, [fault.victim])
    work_before = tuple(map(int, scene.memo["work"].split()))
    executed, returned, blocks = (
        now - then for now, then in zip(_work(scene, fault), work_before, strict=True)
    )
    before, since = _per_call_and_row(*work_before), _per_call_and_row(executed, returned, blocks)
    return Proof(
        holds=gone and executed > 0 and since >= COSTLIER * max(before, 1.0),
        says=f"{fault.victim} is {'missing' if gone else 'present'}; {' and '.join(_statements(fault))} ran"
        f" {executed} times without it, and read {since:.1f} blocks per call and row instead of {before:.1f}",
    )


def _per_call_and_row(calls: int, returned: int, blocks: int) -> float:
    return blocks / max(calls + returned, 1)


def _work(scene: Scene, fault: Fault) -> tuple[int, int, int]:
    """Return calls, rows, and blocks read or found in the cache, of the statements that use the index."""
    pattern = f"statement='({'|'.join(_statements(fault))})'"
    [[calls, returned, blocks]] = scene.ask(WORK, [pattern])
    return int(calls), int(returned), int(blocks)


def _slow(scene: Scene, fault: Fault) -> None:
    client = client_of(scene, fault.victim.removeprefix(PREFIX))
    scene.since("start_delay", partial(start_delay, client))
    client.set_delay(DELAY_S * scene.intensity)


def _prove_slow(scene: Scene, fault: Fault) -> Proof:
    client = client_of(scene, fault.victim.removeprefix(PREFIX))
    # The delay expires after five minutes.
    client.set_delay(DELAY_S * scene.intensity)
    delay = scene.since("start_delay", partial(start_delay, client))
    set_to = float(client.health()["delay_s"])
    says = f"operations of {fault.victim} start {set_to:g} s late, {delay:.1f} s in total"
    return Proof(holds=set_to > 0 and delay > 0, says=says)


def _component(fault: Fault) -> Stoppage:
    name = fault.victim.removeprefix(PREFIX)
    column = "application_name" if fault.victim.startswith(PREFIX) else "usename"
    return Stoppage(component=name, column=column, value=fault.victim)


def _stop(scene: Scene, fault: Fault) -> None:
    processes.stop(scene.settings, _component(fault).component)


def _prove_stopped(scene: Scene, fault: Fault) -> Proof:
    return _component(fault).prove(scene)


INDEX = Mechanism(inject=_drop, prove=_prove_drop, sql=_statements)
STATISTICS = Mechanism(
    inject=of_scene(stale_statistics.inject),
    prove=of_scene(stale_statistics.prove),
    sql=_statements,
)
SLOW = Mechanism(inject=_slow, prove=_prove_slow)
STOPPED = Mechanism(inject=_stop, prove=_prove_stopped)
