"""The heal of an exam: only what the snapshot did not have is undone, and no failed step stops another."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from lab.clients.database import Role
from lab.drills import processes
from lab.drills.scene import Scene
from lab.exam import restoring
from lab.exam.errors import ExamError
from lab.exam.mechanisms.capacity import STAGING
from lab.exam.restoring import AUTOVACUUM, INDEXES, OWN_SETTINGS, TABLES, WAL_SIZE, Snapshot
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings

SNAPSHOT = Snapshot(
    indexes={"a_key": "CREATE INDEX a_key ON a (x)", "b_key": "CREATE INDEX b_key ON b (y)"},
    options={"customers": "", "installments": "", "credit_proposals": f"{AUTOVACUUM}=false"},
    own_settings=("shared_buffers",),
    running=("postgres", "risk"),
    started="then",
)


@dataclass
class Database:
    """Answers the queries of the heal, and notes its other statements."""

    indexes: dict[str, str] = field(default_factory=lambda: dict(SNAPSHOT.indexes))
    options: dict[str, str] = field(default_factory=lambda: dict(SNAPSHOT.options))
    settings: tuple[str, ...] = SNAPSHOT.own_settings
    done: list[tuple[Role, str]] = field(default_factory=list)

    def ask(self, sql: str, _: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return list({INDEXES: self.indexes, TABLES: self.options}[sql].items())

    def act(self, role: Role, sql: str, _: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        if sql == OWN_SETTINGS:
            return [(name,) for name in self.settings]
        self.done.append((role, sql))
        return []


def healed(
    database: Database, *steps: Any, snapshot: Snapshot = SNAPSHOT
) -> list[tuple[Role, str]]:
    for step in steps:
        step(cast("Scene", database), snapshot)
    return database.done


STEPS = (restoring._settings, restoring._tables, restoring._indexes)


def test_where_nothing_changed_nothing_is_done() -> None:
    assert healed(Database(), *STEPS) == []


def test_a_table_that_the_fault_made_is_dropped() -> None:
    with_staging = {**SNAPSHOT.options, STAGING: ""}
    assert healed(Database(options=with_staging), *STEPS) == [(Role.OWNER, f"DROP TABLE {STAGING}")]
    before = replace(SNAPSHOT, options=with_staging)
    assert healed(Database(options=with_staging), *STEPS, snapshot=before) == []
    assert healed(Database(), *STEPS, snapshot=before) == []


def test_an_option_is_reset_where_it_was_not_set_before() -> None:
    """Of the maintained tables, whichever they are; not where the snapshot has it."""
    off = f"{AUTOVACUUM}=false"
    found = healed(
        Database(options={**dict.fromkeys(SNAPSHOT.options, off), "products": off}), *STEPS
    )
    assert found == [
        (Role.OWNER, f"ALTER TABLE {table} RESET ({AUTOVACUUM})")
        for table in ("customers", "installments")
    ]
    [one] = healed(
        Database(options={"customers": off}),
        restoring._tables,
        snapshot=replace(SNAPSHOT, options={}),
    )
    assert one[1].startswith("ALTER TABLE customers")


def test_a_missing_index_is_created_from_its_definition() -> None:
    found = healed(Database(indexes={"b_key": "", "new_key": ""}), *STEPS)
    assert found == [(Role.OWNER, SNAPSHOT.indexes["a_key"])]


def test_the_size_of_the_wal_is_reset_and_loaded() -> None:
    found = healed(Database(settings=("shared_buffers", WAL_SIZE)), *STEPS)
    assert found == [
        (Role.SUPERUSER, f"ALTER SYSTEM RESET {WAL_SIZE}"), (Role.SUPERUSER, "SELECT pg_reload_conf()"),
    ]  # fmt: skip
    own = replace(SNAPSHOT, own_settings=(WAL_SIZE,))
    assert healed(Database(settings=(WAL_SIZE,)), *STEPS, snapshot=own) == []
    assert healed(Database(settings=()), *STEPS, snapshot=own) == []


def test_every_maintained_table_is_vacuumed() -> None:
    database = Database()
    restoring._maintain(cast("Scene", database))
    assert database.done == [
        (Role.OWNER, f"VACUUM (ANALYZE) {table}") for table in restoring.MAINTAINED
    ]


def test_what_ran_before_and_does_not_answer_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Component:
        trouble: str | None

        def probe(self, _: object) -> str | None:
            return self.trouble

    components = {name: Component(None) for name in restoring.STOPPABLE}
    components |= {
        "postgres": Component("nothing listens"),
        "datadog": Component("nothing listens"),
    }
    begun: list[str] = []
    monkeypatch.setattr(restoring, "COMPONENTS", components)
    monkeypatch.setattr(processes, "start", lambda _, name: begun.append(name))
    restoring._start(LabSettings(_env_file=None), SNAPSHOT, restoring.STOPPABLE)
    assert begun == ["postgres"]


def test_a_failed_step_stops_no_other_one() -> None:
    failed: list[str] = []
    with restoring._collected("tables", failed):
        raise LabError("the table is locked\nby somebody")
    with restoring._collected("indexes", failed):
        pass
    assert failed == ["tables: the table is locked"]


def test_every_failed_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps are taken, in their order."""
    taken: list[str] = []

    def step(name: str, error: str | None = None) -> Any:
        def run(*_: object) -> None:
            taken.append(name)
            if error:
                raise LabError(error)

        return run

    monkeypatch.setattr(restoring, "_start", step("start", "it does not start"))
    for name in ("_end_sessions", "_no_delay", "_settings", "_tables", "_maintain"):
        monkeypatch.setattr(restoring, name, step(name))
    monkeypatch.setattr(restoring, "_indexes", step("_indexes", "no space"))
    with pytest.raises(ExamError) as raised:
        restoring.restore(LabSettings(_env_file=None), SNAPSHOT)
    assert taken == [
        "start", "_end_sessions", "_no_delay", "start", "_settings", "_tables", "_indexes", "_maintain",
    ]  # fmt: skip
    assert str(raised.value).startswith(
        "The lab could not be restored: PostgreSQL: it does not start; components: it does not start;"
        " indexes: no space."
    )
