"""From a run to verdicts: waits for delayed evidence, collects it, and calls the judge."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec

from lab.drills import coverage
from lab.drills.drill import Drill
from lab.drills.journal import Journal, Step
from lab.drills.runner import Run
from lab.drills.running import DrillFiles
from lab.drills.scene import Scene
from lab.drills.stretches import append
from lab.foundation import statefile
from lab.foundation.errors import DatabaseError
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_moment
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from lab.judge.evidence import EVALUATED_EVERY_NS, Evidence, Observer, Truth
from lab.judge.readings import GRACE_NS
from lab.judge.tuning import stretch
from lab.judge.verdicts import Verdict, judge
from lab.telemetry import redact
from lab.telemetry.store.senders import label_of_all
from workload.statements import STATEMENTS

# The baseline before the fault: two scrapes, and two of the Agent's intervals.
BEFORE_NS = 20 * NS_PER_S
# After this the fault has left the one-minute rates that signals use, and a scrape has followed.
FORGOTTEN_NS = 50 * NS_PER_S + BEFORE_NS
# Deltas are sent every 10 s, and the store writes with a delay.
ARRIVES_NS = 5 * NS_PER_S
SETTLES_NS = GRACE_NS + ARRIVES_NS
QUERYIDS = """
SELECT DISTINCT queryid FROM pg_stat_statements
WHERE query ~ %s AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"""


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """A run and its verdicts.

    Attributes:
        other_alerts: those that fired during the run and are not expected of the drill.
        datadog: the sender of Datadog's data in the run; empty when there were none.
    """

    run: Run
    verdicts: tuple[Verdict, ...]
    other_alerts: tuple[str, ...]
    datadog: str = ""

    def of(self, observer: Observer) -> Verdict | None:
        """Return the verdict on an observer; None in a run of a version that did not judge it."""
        return next((one for one in self.verdicts if one.observer is observer), None)

    def to_json(self) -> dict[str, Any]:
        """`{"ok", "result", "run": {"drill", ...}, "verdicts": [{"observer", "seen", ...}], ...}`."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        outcome = self.run.outcome
        return {"ok": outcome.ok, "result": outcome.value, **document}

    def encoded(self) -> bytes:
        """Return `to_json` encoded as in the file of the run."""
        return msgspec.json.encode(self.to_json())


def assess(drill: Drill, run: Run, settings: LabSettings, reporter: Reporter) -> Assessment:
    """Return the verdicts on a run.

    Returns 25 s after its heal, and with monitors not before the evaluation at the next whole minute.
    """
    reporter.begin("verdicts")
    if run.proven_ns is not None:
        await_moment("delayed evidence has arrived", window(drill, run)[1], watch=reporter.wait)
    evidence = _evidence(drill, run, settings)
    assessment = _judged(drill, run, evidence, settings)
    _keep(assessment, settings)
    if run.proven_ns is not None:
        truth = truth_of(drill, run, frozenset())
        found = stretch(evidence, truth, {drill.name: drill.signals}, fault=True)
        append(DrillFiles(Paths.of(settings)), found)
    reporter.done("verdicts", f"{coverage.seen(drill, assessment.verdicts)} observers saw it")
    return assessment


def judge_again(drill: Drill, run: Run, settings: LabSettings) -> Assessment:
    """Return the verdicts on a run by the current rules, from data in Prometheus and the store."""
    return _judged(drill, run, _evidence(drill, run, settings), settings)


def _evidence(drill: Drill, run: Run, settings: LabSettings) -> Evidence:
    # Imported here: the clients of all observers, which a drill needs when its fault is over.
    from lab.judge.collect import collect  # noqa: PLC0415

    since_ns, until_ns = window(drill, run)
    return collect(settings, drill.signals, since_ns=since_ns, until_ns=until_ns)


def _judged(drill: Drill, run: Run, evidence: Evidence, settings: LabSettings) -> Assessment:
    return judged(
        drill,
        run,
        evidence,
        queryids=queryids(drill.statements, settings),
        activity_s=settings.embedded_agent_activity_seconds,
    )


def window(drill: Drill, run: Run) -> tuple[int, int]:
    """Return the time range of a run's evidence, in nanoseconds since 1970."""
    until_ns = run.healed_ns + SETTLES_NS
    if drill.monitors:
        # A monitor is evaluated each minute: once more after the heal.
        evaluated_ns = (run.healed_ns // EVALUATED_EVERY_NS + 1) * EVALUATED_EVERY_NS
        until_ns = max(until_ns, evaluated_ns + ARRIVES_NS)
    return run.injected_ns - BEFORE_NS, until_ns


def judged(
    drill: Drill,
    run: Run,
    evidence: Evidence,
    *,
    queryids: frozenset[int],
    activity_s: float | None = None,
) -> Assessment:
    """Return the verdicts on a run from its evidence.

    Args:
        drill: with its signals and alerts.
        run: of that drill.
        evidence: of the range of `window`.
        queryids: of the statements at fault.
        activity_s: the embedded agent's activity interval in seconds; None: not known.
    """
    truth = truth_of(drill, run, queryids)
    verdicts = tuple(judge(evidence, truth, drill.signals, drill.alerts, drill.monitors))
    others = {
        alert.name
        for alert in evidence.alerts
        if alert.firing_ns is not None
        and alert.firing_ns >= run.injected_ns
        and alert.name not in drill.alerts
    }
    sources = {sample.source for sample in evidence.activity}
    sources |= {delta.source for delta in evidence.deltas}
    return Assessment(
        run=run,
        verdicts=verdicts,
        other_alerts=tuple(sorted(others)),
        datadog=label_of_all(sources, activity_s),
    )


def truth_of(drill: Drill, run: Run, queryids: frozenset[int]) -> Truth:
    """Return the ground truth of a run."""
    known = {**STATEMENTS, **drill.sql}
    return Truth(
        drill=drill.name,
        injected_ns=run.injected_ns,
        proven_ns=run.proven_ns,
        healed_ns=run.healed_ns,
        statements=drill.statements,
        texts=frozenset(
            redact.statement(known[name].sql).text for name in drill.statements if name in known
        ),
        queryids=queryids,
        services=drill.services,
        pids=frozenset(run.pids),
    )


def queryids(names: Collection[str], settings: LabSettings) -> frozenset[int]:
    """Return the queryids of statements, by their names; none when PostgreSQL does not answer."""
    if not names:
        return frozenset()
    pattern = f"statement='({'|'.join(sorted(names))})'"
    try:
        found = Scene.read_only(settings).ask(QUERYIDS, [pattern])
    except DatabaseError:
        return frozenset()
    return frozenset(queryid for (queryid,) in found)


def _keep(assessment: Assessment, settings: LabSettings) -> None:
    place = DrillFiles(Paths.of(settings))
    run = assessment.run
    statefile.write(place.runs / f"{run.run}.json", assessment.encoded())
    summary = {verdict.observer.value: verdict.seen.value for verdict in assessment.verdicts}
    Journal(place.journal).write(run.run, run.drill, Step.VERDICT, **summary)
