"""What a drill is: a hypothesis, how its fault is made, proven and healed, and who should notice.

A file of faults/ holds one `Drill`. Its functions get a `Scene`; a proof is what PostgreSQL itself says of
the fault, asked as the role `lab`, never what the drill believes it has done.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lab.drills.scene import Scene
from lab.judge.signals import Signal
from workload.statements import Statement


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What PostgreSQL says.

    Attributes:
        holds: whether the fault is there.
        says: what was found, in a sentence, whether it holds or not.
        pids: the backends that are at fault.
    """

    holds: bool
    says: str
    pids: frozenset[int] = frozenset()


def _nothing_more(_: Scene) -> None:
    """The sessions of a drill are ended by the runner; most drills leave nothing else behind."""


@dataclass(frozen=True, kw_only=True)
class Drill:
    """One fault.

    Attributes:
        name: as the command line calls it.
        place: where it comes among the others, in lists and when all are run.
        title: the incident in a few words.
        hypothesis: what should be seen, by whom, and what should not.
        acts_as: the roles it connects as, and why these are enough.
        inject: starts the fault and returns; sessions go on in the background.
        prove: asks PostgreSQL whether the fault is there; called again until it holds.
        heal: takes away what outlives the sessions. May be called twice, by another process, and when
            the fault never came to be.
        lasts_s: seconds from proof to heal, enough for its alerts.
        sql: the statements of the drill's own, by name.
        statements: names of the statements at fault, as their comments give them.
        services: who is to blame: credit-drill, or the service whose statement it is.
        signals: what each observer can be expected to show; an observer without one is expected blind.
        alerts: those of prometheus/rules/alerts.yml that must fire.
        runbook: heading of docs/alerts.md.
        aliases: other names, such as the seed lab's.
        proves_within_s: the longest that the proof may take to hold.
    """

    name: str
    place: int = 1000
    title: str
    hypothesis: str
    acts_as: str
    inject: Callable[[Scene], None]
    prove: Callable[[Scene], Proof]
    heal: Callable[[Scene], None] = _nothing_more
    lasts_s: float
    sql: Mapping[str, Statement] = field(default_factory=dict)
    statements: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset({"credit-drill"})
    signals: tuple[Signal, ...] = ()
    alerts: tuple[str, ...] = ()
    runbook: str
    aliases: tuple[str, ...] = ()
    proves_within_s: float = 30.0
