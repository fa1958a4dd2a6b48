"""The heal of every exam: a snapshot of what a fault can change, and its restoration.

The snapshot is stored in the clear before the injection. It is the same for every item, so it names no
fault, and any process can heal with it (docs/adr/0010).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from lab.clients.database import Role
from lab.clients.services import ServiceUnreachableError, clients
from lab.drills import processes
from lab.drills.scene import Scene
from lab.exam.errors import ExamError
from lab.exam.mechanisms.capacity import STAGING
from lab.exam.vocabulary import APPLICATIONS, OPERATIONS
from lab.foundation.errors import LabError
from lab.foundation.plural import plural
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.stack import probes
from lab.stack.components import COMPONENTS, SERVICES

ANSWERS_WITHIN_S = 60.0
ENDS_WITHIN_S = 30.0
# Everything that a mechanism can stop, and PostgreSQL, which the player can.
STOPPABLE = ("postgres", "postgres_exporter", "datadog", *SERVICES)
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
TABLES = """
SELECT relname, coalesce(array_to_string(reloptions, ','), '') FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"""
OWN_SETTINGS = """
SELECT name FROM pg_file_settings WHERE sourcefile LIKE '%%postgresql.auto.conf' AND setting IS NOT NULL"""
END = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = ANY(%s) AND pid <> pg_backend_pid()"""
# Tables whose statistics or dead tuples a fault leaves.
MAINTAINED = ("customers", "credit_proposals", "installments")
AUTOVACUUM = "autovacuum_enabled"
WAL_SIZE = "max_wal_size"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """State before the injection: definitions by name, options by table, names that were set, what ran."""

    indexes: dict[str, str]
    options: dict[str, str]
    own_settings: tuple[str, ...]
    running: tuple[str, ...]
    started: str


def take(settings: LabSettings) -> Snapshot:
    """Return the current state.

    Raises:
        DatabaseError: when PostgreSQL does not answer.
    """
    scene = Scene.read_only(settings)
    return Snapshot(
        indexes=dict(scene.ask(INDEXES)),
        options=dict(scene.ask(TABLES)),
        own_settings=tuple(name for (name,) in scene.act(Role.SUPERUSER, OWN_SETTINGS)),
        running=tuple(name for name in STOPPABLE if COMPONENTS[name].probe(settings) is None),
        started=started(settings),
    )


def started(settings: LabSettings) -> str:
    """Return the start time of PostgreSQL, as text."""
    return str(Scene.read_only(settings).value("SELECT pg_postmaster_start_time()::text"))


def restore(settings: LabSettings, snapshot: Snapshot) -> None:
    """Return to the state of the snapshot; all steps are taken, whatever fails, and each may be repeated.

    Raises:
        ExamError: naming each step that failed.
    """
    scene = Scene.read_only(settings)
    failed: list[str] = []
    steps: dict[str, Callable[[], None]] = {
        "PostgreSQL": partial(_start, settings, snapshot, ("postgres",)),
        "sessions": partial(_end_sessions, settings, scene),
        "delays": partial(_no_delay, settings),
        "components": partial(_start, settings, snapshot, STOPPABLE),
        "settings": partial(_settings, scene, snapshot),
        "tables": partial(_tables, scene, snapshot),
        "indexes": partial(_indexes, scene, snapshot),
        "statistics": partial(_maintain, scene),
    }
    for name, step in steps.items():
        with _collected(name, failed):
            step()
    if failed:
        raise ExamError(
            "The lab could not be restored: " + "; ".join(failed) + ".\n"
            "`./creditlab exam stop` tries again."
        )


@contextmanager
def _collected(name: str, failed: list[str]) -> Iterator[None]:
    try:
        yield
    except LabError as error:
        failed.append(f"{name}: {str(error).splitlines()[0]}")


def _start(settings: LabSettings, snapshot: Snapshot, names: tuple[str, ...]) -> None:
    for name in names:
        if name in snapshot.running and COMPONENTS[name].probe(settings) is not None:
            processes.start(settings, name)


def _end_sessions(settings: LabSettings, scene: Scene) -> None:
    """End the sessions of all applications of the exam; those of a killed process end within a second."""
    names = [*APPLICATIONS, OPERATIONS]

    def left() -> str | None:
        if (seen := probes.query(settings)) is not None:
            return seen
        [[count]] = scene.act(Role.SUPERUSER, END, [names])
        return plural(count, "session") if count else None

    await_state("the sessions of the exam have ended", left, within_s=ENDS_WITHIN_S)


def _no_delay(settings: LabSettings) -> None:
    for client in clients(settings):
        try:
            client.set_delay(0)
        except ServiceUnreachableError:
            continue  # a stopped service starts without a delay


def _settings(scene: Scene, snapshot: Snapshot) -> None:
    now = {name for (name,) in scene.act(Role.SUPERUSER, OWN_SETTINGS)}
    if WAL_SIZE in now and WAL_SIZE not in snapshot.own_settings:
        scene.act(Role.SUPERUSER, f"ALTER SYSTEM RESET {WAL_SIZE}")
        scene.act(Role.SUPERUSER, "SELECT pg_reload_conf()")


def _tables(scene: Scene, snapshot: Snapshot) -> None:
    now = dict(scene.ask(TABLES))
    if STAGING in now and STAGING not in snapshot.options:
        scene.act(Role.OWNER, f"DROP TABLE {STAGING}")
    for table in MAINTAINED:
        if AUTOVACUUM in now.get(table, "") and AUTOVACUUM not in snapshot.options.get(table, ""):
            scene.act(Role.OWNER, f"ALTER TABLE {table} RESET ({AUTOVACUUM})")


def _indexes(scene: Scene, snapshot: Snapshot) -> None:
    now = dict(scene.ask(INDEXES))
    for name, definition in snapshot.indexes.items():
        if name not in now:
            scene.act(Role.OWNER, definition)


def _maintain(scene: Scene) -> None:
    for table in MAINTAINED:
        scene.act(Role.OWNER, f"VACUUM (ANALYZE) {table}")
