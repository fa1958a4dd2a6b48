"""The truth about an exam's faults, collected before it ends: names, queryids, pids, references."""

from collections.abc import Callable, Sequence

from lab.drills import assessment, coverage
from lab.drills.assessment import BEFORE_NS
from lab.drills.catalogue import DRILLS
from lab.exam.cast import Actor
from lab.exam.log import Observed, TrueFault
from lab.exam.requests import METRIC
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.judge.collect import collect as collect_evidence
from lab.judge.evidence import TITLES, Truth
from lab.judge.signals import Events, Metric, Slow
from lab.judge.verdicts import judge
from lab.telemetry import redact

TracesOf = Callable[[tuple[str, ...], int, int], Sequence[str]]
PREFIXES = ("pg_", "credit_", "lab_", "statement:", "service:", "wait_event:")


def collect(actor: Actor, settings: LabSettings, ended_ns: int, traces: TracesOf) -> TrueFault:
    """Return the truth about one fault; a source that does not answer has no references.

    Args:
        actor: of the fault.
        settings: those of the running lab.
        ended_ns: end of the exam.
        traces: returns the ids of the traces with spans of some services in a time range.
    """
    fault, report = actor.part.fault, actor.last
    onset_ns = report.injected_ns if report else ended_ns
    names = tuple(actor.part.mechanism.sql(fault))
    queryids = sorted(map(str, assessment.queryids(names, settings)))
    pids = tuple(str(pid) for pid in sorted(actor.pids))
    references = [
        *(f"plan:{queryid}" for queryid in queryids),
        *(f"sample:{pid}" for pid in sorted({*pids, *actor.chain})),
        *_series(fault.kind),
        *(f"trace:{trace}" for trace in traces(fault.culprits, onset_ns, ended_ns)),
    ]
    if any(isinstance(signal, Events | Slow) for signal in DRILLS[fault.kind].signals):
        references.append("log:")
    return TrueFault(
        kind=fault.kind,
        objects=(*names, fault.victim, *queryids),
        culprits=(*fault.culprits, *pids),
        heads=tuple(sorted(actor.heads)),
        chain=tuple(sorted(actor.chain)),
        onset_ns=onset_ns,
        evidence=tuple(dict.fromkeys(references)),
    )


def observed(
    actor: Actor, fault: TrueFault, settings: LabSettings, clock_ns: int, ended_ns: int
) -> tuple[Observed, ...]:
    """Return what each observer had of a fault by the end of the exam; a failure is an unknown verdict."""
    drill = DRILLS[fault.kind]
    sql = actor.part.mechanism.sql(actor.part.fault)
    truth = Truth(
        drill=fault.kind,
        injected_ns=fault.onset_ns,
        proven_ns=clock_ns,
        healed_ns=ended_ns,
        statements=frozenset(sql),
        texts=frozenset(redact.statement(statement.sql).text for statement in sql.values()),
        queryids=frozenset(int(name) for name in fault.objects if name.lstrip("-").isdecimal()),
        services=frozenset(actor.part.fault.culprits),
        pids=frozenset(actor.pids),
    )
    try:
        evidence = collect_evidence(
            settings, drill.signals, since_ns=fault.onset_ns - BEFORE_NS, until_ns=ended_ns
        )
        verdicts = judge(evidence, truth, drill.signals, drill.alerts, drill.monitors)
    except LabError as error:
        why = str(error).splitlines()[0]
        return (
            Observed(kind=fault.kind, observer="all", seen="unknown", after_s=None, says=(why,)),
        )
    return tuple(
        Observed(
            kind=fault.kind,
            observer=TITLES[verdict.observer],
            seen=coverage.result(drill, verdict),
            after_s=verdict.after_s,
            says=verdict.says,
        )
        for verdict in verdicts
    )


def _series(kind: str) -> list[str]:
    signals = [signal for signal in DRILLS[kind].signals if isinstance(signal, Metric)]
    names = {name for signal in signals for name in METRIC.findall(signal.expr)}
    return sorted(f"series:{name}" for name in names if name.startswith(PREFIXES))
