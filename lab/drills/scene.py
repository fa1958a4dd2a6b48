"""What a drill acts on: the lab's settings, its own sessions, the truth as PostgreSQL tells it, a memo."""

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from lab.clients import database
from lab.clients.database import Role
from lab.drills.sessions import Sessions
from lab.foundation.settings import LabSettings
from workload.tracing import NoTracing


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Handed to every function of a drill; the one that heals may have another than the one that made.

    Attributes:
        settings: those of the lab that runs.
        intensity: 1 is the drill as designed; half or double of its sessions, rows or rates.
        sessions: where a drill's own sessions are started.
        memo: what healing needs to know; kept on disk, so that it outlives the runner.
    """

    settings: LabSettings
    intensity: float
    sessions: Sessions
    memo: MutableMapping[str, str]

    @classmethod
    def looking_on(cls, settings: LabSettings) -> Self:
        """Return one for whoever only asks."""
        return cls(
            settings=settings, intensity=1.0, sessions=Sessions(settings, NoTracing()), memo={}
        )

    def times(self, number: float, *, at_least: int = 1) -> int:
        """Return a number of sessions, rows or loops at this intensity."""
        return max(at_least, round(number * self.intensity))

    def ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query that only looks, as the role `lab`.

        Raises:
            DatabaseError: when PostgreSQL does not answer.
        """
        return self.act(Role.LAB, sql, parameters)

    def value(self, sql: str, parameters: Sequence[object] = ()) -> Any:
        """Return the one value of a query that only looks."""
        [[value]] = self.ask(sql, parameters)
        return value

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
