"""When a proof holds: the answer of PostgreSQL at its limit, and the least beyond it; and what it reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from lab.drills import scene as scenes
from lab.drills.drill import Proof
from lab.drills.faults import (
    burst,
    cache_eviction,
    checkpoint_pressure,
    cpu_bound_sql,
    ddl_queue,
    deadlocks,
    held_snapshot,
    idle_in_transaction,
    missing_index,
    n_plus_one,
    rollback_storm,
    row_lock_chain,
    sequential_scans,
    slow_query,
    work_mem_spill,
)
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSessions
from lab.exam.items import Fault
from lab.exam.mechanisms import MECHANISMS, capacity, locks, reading
from tests.fix_postgres import settings_for
from workload.tracing import NoTracing

SETTINGS = settings_for(port=1, database="none")
# The pids of the drill's or the culprit's sessions.
OWN = frozenset({7, 8})


@dataclass(frozen=True, kw_only=True)
class Answered(Scene):
    """A scene in which PostgreSQL has one answer to each query."""

    answers: Mapping[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    def ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        del parameters
        return self.answers[sql]


def scene(answers: Mapping[str, object], **memo: str) -> Scene:
    """Return a scene; an answer that is no list is the one value of a query."""
    rows = {sql: given if isinstance(given, list) else [(given,)] for sql, given in answers.items()}
    return Answered(
        settings=SETTINGS,
        intensity=1.0,
        sessions=DrillSessions(SETTINGS, NoTracing()),
        memo=memo,
        answers={scenes.OWN: [(pid,) for pid in OWN], **rows},
    )


def says(proof: Proof) -> tuple[bool, str]:
    return proof.holds, proof.says


def who(proof: Proof) -> tuple[bool, set[int]]:
    return proof.holds, set(proof.pids)


@pytest.mark.parametrize(
    ("drill", "query", "key", "most_without", "reports"),
    [
        (burst, scenes.CALLS, "calls", 12, "called 13 times"),
        (checkpoint_pressure, checkpoint_pressure.COUNT, "checkpoints", 1, "2 checkpoints"),
        (deadlocks, deadlocks.COUNT, "deadlocks", 0, "ended 1 deadlocks"),
        (n_plus_one, scenes.CALLS, "calls", 150, "called 151 times"),
        (rollback_storm, rollback_storm.COUNT, "rollbacks", 10, "11 transactions"),
        (sequential_scans, sequential_scans.SCANS, "scans", 1, "scanned 2 times"),
    ],
)
def test_a_counter_must_grow_by_more_than_its_limit(
    drill: ModuleType, query: str, key: str, most_without: int, reports: str
) -> None:
    """What was counted before the injection is not part of it."""
    before = {key: "40"}
    assert not drill.prove(scene({query: 40 + most_without}, **before)).holds
    found = drill.prove(scene({query: 41 + most_without}, **before))
    assert found.holds
    assert reports in found.says
    assert found.pids in {OWN, frozenset()}


def test_temporary_files_are_more_than_a_megabyte() -> None:
    exactly = work_mem_spill.prove(scene({work_mem_spill.BYTES: 1_000_100}, bytes="100"))
    assert says(exactly) == (False, "1 MB of temporary files were written")
    more = work_mem_spill.prove(scene({work_mem_spill.BYTES: 25_000_100}, bytes="100"))
    assert says(more) == (True, "25 MB of temporary files were written")
    assert more.pids == OWN


@pytest.mark.parametrize(
    ("share", "reads", "holds"), [(0.5, 1041, True), (0.49, 1041, False), (0.5, 1040, False)]
)
def test_most_of_the_cache_is_the_archives_and_its_blocks_are_read(
    share: float, reads: int, holds: bool
) -> None:
    answers = {cache_eviction.CACHED: share, cache_eviction.READS: reads}
    found = scene(answers, reads="40")
    assert cache_eviction.prove(found).holds is holds
    # That it was so once is remembered: the blocks of another table may have taken its place since.
    later = {**answers, cache_eviction.CACHED: 0.1}
    assert cache_eviction.prove(scene(later, **found.memo)).holds is holds


@pytest.mark.parametrize(
    ("scans", "present", "holds"), [(1, [], True), (0, [], False), (1, [("CREATE INDEX",)], False)]
)
def test_an_index_is_gone_and_its_table_is_scanned(
    scans: int, present: list[tuple[str]], holds: bool
) -> None:
    answers = {missing_index.DEFINITION: present, missing_index.SCANS: 40 + scans}
    assert missing_index.prove(scene(answers, scans="40")).holds is holds


def test_a_transaction_is_idle_for_more_than_a_second() -> None:
    assert not idle_in_transaction.prove(scene({idle_in_transaction.IDLE: []})).holds
    assert not idle_in_transaction.prove(scene({idle_in_transaction.IDLE: [(3, 1.0)]})).holds
    found = idle_in_transaction.prove(scene({idle_in_transaction.IDLE: [(3, 0.4), (4, 61.2)]}))
    assert says(found) == (True, "2 sessions idle in a transaction, for up to 61 s")
    assert found.pids == {3, 4}


def test_a_slow_statement_was_seen_now_or_earlier() -> None:
    """The longest age of the run counts; the culprits are those that run now."""
    at_limit = scene({slow_query.RUNNING: [(3, 0.3)]})
    assert not slow_query.prove(at_limit).holds
    seen = scene({slow_query.RUNNING: [(3, 0.2), (4, 0.9)]})
    assert says(slow_query.prove(seen)) == (True, "a statement was seen 0.9 s after its start")
    between_two = slow_query.prove(scene({slow_query.RUNNING: [(5, 0.1)]}, **seen.memo))
    assert says(between_two) == (True, "a statement was seen 0.9 s after its start")
    assert between_two.pids == {5}


def test_a_session_computes() -> None:
    assert not cpu_bound_sql.prove(scene({cpu_bound_sql.BUSY: []})).holds
    found = cpu_bound_sql.prove(scene({cpu_bound_sql.BUSY: [(3,), (4,)]}))
    assert who(found) == (True, {3, 4})


@pytest.mark.parametrize(
    ("holders", "share", "holds"), [([3], 0.21, True), ([3], 0.2, False), ([], 0.9, False)]
)
def test_a_snapshot_is_open_and_a_fifth_of_the_tuples_are_dead(
    holders: list[int], share: float, holds: bool
) -> None:
    answers = {
        held_snapshot.DEAD: [(900, share)],
        held_snapshot.HOLDERS: [(pid,) for pid in holders],
    }
    found = held_snapshot.prove(scene(answers))
    assert who(found) == (holds, set(holders))
    fault = Fault(kind="held-snapshot", victim="customers", culprits=("credit-risk",))
    answers = {capacity.DEAD: [(900, share)], capacity.HOLDERS: [(pid,) for pid in holders]}
    found = MECHANISMS[fault.kind].prove(scene(answers), fault)
    assert who(found) == (holds, set(holders))


# 5 waits for 4, which waits for 3, which does not wait.
CHAINED = [(4, {3}), (5, {4})]


@pytest.mark.parametrize(
    ("heads", "waits", "holds"),
    [([3], CHAINED, True), ([3], CHAINED[:1], False), ([], CHAINED, False), ([3], [], False)],
)
def test_a_chain_has_a_head_and_a_session_behind_another(
    heads: list[int], waits: list[tuple[int, set[int]]], holds: bool
) -> None:
    answers: dict[str, object] = {
        row_lock_chain.HEADS: [(pid,) for pid in heads],
        row_lock_chain.BLOCKED: [(pid, "row", list(by)) for pid, by in waits],
    }
    found = row_lock_chain.prove(scene(answers))
    assert who(found) == (holds, set(heads))
    fault = Fault(kind="row-lock-chain", victim="credit_contracts", culprits=("credit-risk",))
    examined = scene({
        idle_in_transaction.IDLE: [(pid, 9.0) for pid in heads],
        locks.BLOCKED: [(pid, list(by)) for pid, by in waits],
    })  # fmt: skip
    proof = MECHANISMS[fault.kind].prove(examined, fault)
    assert who(proof) == (holds, set(heads))
    assert examined.memo["heads"] == " ".join(map(str, heads))
    assert examined.memo["chain"] == " ".join(
        map(str, sorted({*heads, *(pid for pid, _ in waits)}))
    )


@pytest.mark.parametrize(
    ("waiting", "holds", "pids"),
    [
        ([(4, {3}, True), (5, {4}, False)], True, {3, 4}),
        ([(4, {3}, True)], False, {3, 4}),
        ([(5, {4}, False)], False, set()),
        ([], False, set()),
    ],
)
def test_a_change_of_a_table_waits_and_others_wait_for_it(
    waiting: list[tuple[int, set[int], bool]], holds: bool, pids: set[int]
) -> None:
    rows = [(pid, list(by), own) for pid, by, own in waiting]
    found = ddl_queue.prove(scene({ddl_queue.WAITING: rows}))
    assert who(found) == (holds, pids)
    fault = Fault(kind="ddl-queue", victim="credit_contracts", culprits=("credit-risk",))
    examined = scene({locks.CHANGES: rows})
    proof = MECHANISMS[fault.kind].prove(examined, fault)
    assert who(proof) == (holds, pids)
    assert examined.memo["heads"] == ("3" if pids else "")


@pytest.mark.parametrize(
    ("kind", "query", "key", "most_without"),
    [
        ("sequential-scans", reading.SCANS, "scans", 1),
        ("n-plus-one", scenes.CALLS, "calls", 150),
        ("burst", scenes.CALLS, "calls", 12),
        ("checkpoint-pressure", capacity.FORCED, "checkpoints", 1),
    ],
)
def test_a_counter_of_an_exam_must_grow_by_more_than_its_limit(
    kind: str, query: str, key: str, most_without: int
) -> None:
    fault = Fault(kind=kind, victim="installments", culprits=("credit-risk",))
    before = {key: "40"}
    assert not MECHANISMS[kind].prove(scene({query: 40 + most_without}, **before), fault).holds
    found = MECHANISMS[kind].prove(scene({query: 41 + most_without}, **before), fault)
    assert who(found) == (True, {*OWN})


def test_a_slow_statement_of_an_exam_was_seen_now_or_earlier() -> None:
    fault = Fault(kind="slow-query", victim="installments", culprits=("credit-risk",))
    prove = MECHANISMS[fault.kind].prove
    assert not prove(scene({reading.SLOWEST: slow_query.SLOW_S}), fault).holds
    seen = scene({reading.SLOWEST: slow_query.SLOW_S + 0.01})
    assert prove(seen, fault).holds
    assert prove(scene({reading.SLOWEST: 0.0}, **seen.memo), fault).holds
