"""Access by observer: which observers' tools answer, and the record of each request.

`./creditlab mcp --with prometheus` opens one observer. An exam supplies its own `Doors`: it decides which
observers are open, and keeps what the player has read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self

from lab.foundation.errors import LabError
from lab.foundation.suggestions import unknown

ALL = "all"


class Observer(StrEnum):
    """The source of a tool's data; `--with` selects by these names.

    `lab` joins the sources, and reads PostgreSQL's current sessions. `truth` has the injected faults and
    their verdicts. `documents` are the lab's documentation and SQL, which are always open.
    """

    PROMETHEUS = "prometheus"
    DATADOG = "datadog"
    APM = "apm"
    LOG = "log"
    LAB = "lab"
    TRUTH = "truth"
    DOCUMENTS = "documents"


SELECTABLE = tuple(one for one in Observer if one is not Observer.DOCUMENTS)


class Doors(Protocol):
    """Decides and records access; called from several threads."""

    def closed(self, observer: str) -> str | None:
        """Return the reason why an observer's tools do not answer now; None when they do."""

    def record(
        self,
        *,
        observer: str,
        tool: str,
        arguments: Mapping[str, object],
        answer: str,
        is_error: bool,
        at_ns: int,
        duration_ms: float,
    ) -> None:
        """Record one request.

        Args:
            observer: one of `Observer`.
            tool: the name of the tool, or the URI of a resource.
            arguments: as the client sent them.
            answer: the complete text of the answer; its size is what the client has read.
            is_error: whether the answer is an error, such as "closed".
            at_ns: the time of the request, in nanoseconds since 1970.
            duration_ms: until the answer.
        """


@dataclass(frozen=True, kw_only=True)
class FixedDoors:
    """The doors of `--with`: a fixed selection, nothing recorded."""

    open: frozenset[Observer]

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        """Return the doors of these observers; `all` opens every one.

        Raises:
            LabError: naming an unknown observer and the nearest known one.
        """
        known = [*SELECTABLE, ALL]
        for name in names:
            if name not in known:
                raise LabError(unknown("observer", name[:40], known))
        chosen = SELECTABLE if ALL in names else (Observer(name) for name in names)
        return cls(open=frozenset({*chosen, Observer.DOCUMENTS}))

    def closed(self, observer: str) -> str | None:
        """Return the reason why an observer is closed."""
        if observer in self.open:
            return None
        there = ", ".join(one for one in SELECTABLE if one in self.open)
        return f"closed: this server was started with the observers: {there}. Use their tools."

    def record(self, **_: object) -> None:
        """Record nothing."""
