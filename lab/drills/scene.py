"""The context of a drill: the lab's settings, its own sessions, queries to PostgreSQL, and a memo."""

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from lab.clients import database
from lab.clients.database import Role
from lab.drills.sessions import DrillSessions
from lab.foundation.settings import LabSettings
from workload.tracing import NoTracing

OWN = "SELECT pid FROM pg_stat_activity WHERE application_name = %s"
CALLS = """
SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements
WHERE query LIKE %s AND query NOT LIKE '%%pg_stat_statements%%'"""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The argument of every function of a drill; `heal` may receive another scene than `inject`.

    Attributes:
        settings: those of the lab that runs.
        intensity: factor on the drill's sessions, rows or rates; 1 is the drill as designed.
        sessions: starts the drill's own sessions.
        memo: what the heal needs; on disk, so that it outlives the runner.
    """

    settings: LabSettings
    intensity: float
    sessions: DrillSessions
    memo: MutableMapping[str, str]

    @classmethod
    def read_only(cls, settings: LabSettings) -> Self:
        """Return a scene for queries only."""
        return cls(
            settings=settings, intensity=1.0, sessions=DrillSessions(settings, NoTracing()), memo={}
        )

    def times(self, number: float, *, at_least: int = 1) -> int:
        """Return a number of sessions, rows or loops at this intensity."""
        return max(at_least, round(number * self.intensity))

    def ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a read-only query, as the role `lab`.

        Raises:
            DatabaseError: when PostgreSQL does not answer.
        """
        return self.act(Role.LAB, sql, parameters)

    def value(self, sql: str, parameters: Sequence[object] = ()) -> Any:
        """Return the single value of a read-only query."""
        [[value]] = self.ask(sql, parameters)
        return value

    def own_pids(self) -> frozenset[int]:
        """Return the backends of the drill's own sessions; in an exam, those of the culprit."""
        return frozenset(pid for (pid,) in self.ask(OWN, [self.sessions.application]))

    def calls(self, statement: str) -> int:
        """Return how often a statement, by its name, was executed, as pg_stat_statements counts."""
        return int(self.value(CALLS, [f"%'{statement}'%"]))

    def act(self, role: Role, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Execute one statement as a role, and return its rows.

        Raises:
            DatabaseError: when PostgreSQL refuses or does not answer.
        """
        target = database.dsn(self.settings, role)
        with database.connect(target, application_name="credit-lab") as connection:
            return database.rows(connection, sql, parameters or None)

    def since(self, key: str, now: Callable[[], float]) -> float:
        """Return how much a counter has grown since the first call with this key."""
        value = now()
        return value - float(self.memo.setdefault(key, str(value)))
