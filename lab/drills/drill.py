"""The definition of a drill: a hypothesis, how to inject, prove and heal its fault, and the expected signals.

A file of faults/ defines one `Drill`. Its functions receive a `Scene`. A proof comes from PostgreSQL,
queried as the role `lab`, never from the drill's own state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.drills.scene import Scene
    from lab.judge.signals import Signal
    from workload.statements import Statement


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What PostgreSQL reports about the fault.

    Attributes:
        holds: whether the fault is present.
        says: what was found, in a sentence, whether the fault is present or not.
        pids: the backends that are at fault.
    """

    holds: bool
    says: str
    pids: frozenset[int] = frozenset()


def _nothing_more(_: "Scene") -> None:
    """Do nothing: the runner ends the sessions of a drill, and most drills leave nothing else behind."""


@dataclass(frozen=True, kw_only=True)
class Drill:
    """One fault.

    Attributes:
        name: on the command line.
        place: position in lists and in `drill all`, ascending.
        title: the incident in a few words.
        hypothesis: what each observer should show, and what it cannot show.
        acts_as: the roles that the drill connects as, and why their privileges are enough.
        inject: starts the fault and returns; sessions continue in the background.
        prove: checks in PostgreSQL whether the fault is present; called again until it is.
        heal: undoes what outlives the sessions. It may be called twice, by another process, and when the
            fault was never present.
        duration_s: seconds from proof to heal, enough for its alerts.
        sql: the drill's own statements, by name.
        statements: names of the statements at fault, as in their comments.
        services: the cause: credit-drill, or the service that runs the statement.
        signals: what each observer is expected to show; one without a signal does not cover the fault.
        alerts: alerts of prometheus/rules/alerts.yml that must fire.
        monitors: monitors of datadog/monitors, by the name of the file, that are about this fault; whether
            they fire within the drill is measured, not required.
        runbook: heading of docs/alerts.md.
        aliases: other names, such as the seed lab's.
        proves_within_s: deadline of the proof, in seconds from the injection.
    """

    name: str
    place: int = 1000
    title: str
    hypothesis: str
    acts_as: str
    inject: Callable[["Scene"], None]
    prove: Callable[["Scene"], Proof]
    heal: Callable[["Scene"], None] = _nothing_more
    duration_s: float
    sql: Mapping[str, "Statement"] = field(default_factory=dict)
    statements: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset({"credit-drill"})
    signals: "tuple[Signal, ...]" = ()
    alerts: tuple[str, ...] = ()
    monitors: tuple[str, ...] = ()
    runbook: str
    aliases: tuple[str, ...] = ()
    proves_within_s: float = 30.0
