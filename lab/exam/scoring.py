"""The score of an exam: a pure function of its log.

For each true fault the best finding is chosen. Its score is the credit for the class times the weighted
mean of all components that apply: a right time or a valid reference alone earns nothing. Findings that are
not true reduce the score by their share, and each hint by a tenth.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from types import MappingProxyType

from lab.exam.form import Finding
from lab.exam.log import ExamLog, TrueFault
from lab.exam.vocabulary import NOTHING, family
from lab.foundation.timestamps import NS_PER_S

# Component: weight, and what it measures. docs/exam.md explains them.
WEIGHTS = MappingProxyType({
    "class": (0.30, "the kind of fault"),
    "object": (0.20, "the statement, table, index or component"),
    "culprit": (0.15, "the application, service or session"),
    "evidence": (0.10, "share of the references that show the fault and were opened"),
    "path": (0.05, "the blocking chain and its head, if there is one"),
    "onset": (0.05, "within 15 s of the injection; nothing from 120 s on"),
    "delay": (0.05, "an answer within 60 s of the clock's start; nothing at the deadline"),
    "economy": (0.05, "25 requests or fewer; then 25 divided by their number"),
    "confidence": (0.05, "1 - (1 - confidence)², when the class is right"),
})  # fmt: skip
FAMILY_CREDIT = 0.2
HINT_COSTS = 0.1
EXACT_S, FAR_S = 15.0, 120.0
QUICK_S = 60.0
FRUGAL = 25
# Doors through which a reference can be opened.
SHOWN_BY = MappingProxyType({
    "trace": {"apm", "datadog", "log"},
    "plan": {"datadog", "log", "sql"},
    "sample": {"datadog", "log", "sql"},
    "series": {"prometheus"},
    "log": {"log"},
})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FaultGrade:
    """The grade of one fault; `components` has those that apply, each 0 to 1."""

    kind: str
    answered: str
    credit: float
    components: dict[str, float]
    score: float


@dataclass(frozen=True, kw_only=True)
class Grade:
    """The grade of an exam. `score` is 0 to 1, None for a void exam; times in seconds.

    `brier` is (confidence - correct)², the squared error of the player's own probability.
    """

    score: float | None
    faults: tuple[FaultGrade, ...] = ()
    false_positives: tuple[str, ...] = ()
    delay_s: float | None = None
    requests: int
    hints: int
    brier: float | None = None
    says: str


def grade(log: ExamLog) -> Grade:
    """Return the grade of an exam."""
    if log.void or log.clock_ns is None:
        return _empty(log, None, f"void: {log.void or 'the clock never started'}")
    if log.answer is None:
        return _empty(log, 0.0, "no answer")
    if not log.faults:
        return _healthy(log)
    findings = [f for f in log.answer.findings if f.kind not in log.neutral]
    faults, matched = max(
        (_assigned(log, order) for order in _orders(findings, len(log.faults))),
        key=lambda found: sum(fault.score for fault in found[0]),
    )
    false = tuple(f.kind for f in findings if f not in matched and f.kind != NOTHING)
    precision = len(matched) / max(len(matched) + len(false), 1)
    score = sum(fault.score for fault in faults) / len(faults) * precision
    return _graded(log, score, faults, false, right=all(fault.credit == 1 for fault in faults))


def _orders(findings: list[Finding], faults: int) -> Iterator[tuple[Finding | None, ...]]:
    padded: list[Finding | None] = [*findings, *[None] * faults]
    yield from permutations(padded, faults)


def _assigned(
    log: ExamLog, order: tuple[Finding | None, ...]
) -> tuple[tuple[FaultGrade, ...], tuple[Finding, ...]]:
    pairs = list(zip(log.faults, order, strict=True))
    matched = tuple(f for fault, f in pairs if f is not None and _credit(fault.kind, f.kind) > 0)
    return tuple(_fault(log, fault, finding) for fault, finding in pairs), matched


def _fault(log: ExamLog, fault: TrueFault, finding: Finding | None) -> FaultGrade:
    if finding is None:
        return FaultGrade(kind=fault.kind, answered="", credit=0, components={}, score=0)
    credit = _credit(fault.kind, finding.kind)
    components = {name: round(value, 6) for name, value in _components(log, fault, finding)}
    return FaultGrade(
        kind=fault.kind,
        answered=finding.kind,
        credit=credit,
        components=components,
        score=round(credit * _weighted(components), 6),
    )


def _weighted(components: dict[str, float]) -> float:
    total = sum(WEIGHTS[name][0] for name in components)
    return sum(WEIGHTS[name][0] * value for name, value in components.items()) / total


def _credit(kind: str, answered: str) -> float:
    if kind == answered:
        return 1.0
    return FAMILY_CREDIT if family(kind) == family(answered) else 0.0


def _components(log: ExamLog, fault: TrueFault, finding: Finding) -> Iterator[tuple[str, float]]:
    yield "class", 1.0
    yield "object", float(finding.object in fault.objects)
    yield "culprit", float(finding.culprit in fault.culprits)
    if fault.heads:
        yield "path", _path(fault, finding.chain)
    reachable = [r for r in fault.evidence if SHOWN_BY[r.partition(":")[0]] & set(log.doors)]
    if reachable:
        yield "evidence", _evidence(log, reachable)
    yield "onset", _onset(fault.onset_ns, finding.onset_ns)
    yield "delay", _delay(log)
    yield from _manner(log)


def _manner(log: ExamLog) -> Iterator[tuple[str, float]]:
    assert log.answer is not None
    yield "economy", min(1.0, FRUGAL / max(len(log.requests), 1))
    yield "confidence", 1 - (1 - log.answer.confidence) ** 2


def _path(fault: TrueFault, chain: tuple[str, ...]) -> float:
    if not chain:
        return 0.0
    inside = sum(pid in fault.chain for pid in chain) / len(chain)
    return (float(chain[-1] in fault.heads) + inside) / 2


def _evidence(log: ExamLog, reachable: list[str]) -> float:
    assert log.answer is not None
    claimed = log.answer.evidence
    # Another fault's evidence is no mistake of this one.
    others = {reference for fault in log.faults for reference in fault.evidence}
    valid = [r for r in claimed if _shows(r, reachable) and _opened(log, r)]
    foreign = [r for r in claimed if r not in valid and _shows(r, others) and _opened(log, r)]
    return len(valid) / max(len(claimed) - len(foreign), 1)


def _shows(reference: str, references: "list[str] | set[str]") -> bool:
    return reference in references or (reference.startswith("log:") and "log:" in references)


def _opened(log: ExamLog, reference: str) -> bool:
    """Whether a response before the answer showed it; so it existed then."""
    return any(
        reference in request.shown and log.started_ns <= request.at_ns <= log.ended_ns
        for request in log.requests
    )


def _onset(true_ns: int, given_ns: int | None) -> float:
    if given_ns is None:
        return 0.0
    away_s = abs(given_ns - true_ns) / NS_PER_S
    return min(1.0, max(0.0, (FAR_S - away_s) / (FAR_S - EXACT_S)))


def _delay(log: ExamLog) -> float:
    taken, allowed = _seconds(log), log.minutes * 60
    if taken <= QUICK_S or allowed <= QUICK_S:
        return 1.0
    return max(0.0, (allowed - taken) / (allowed - QUICK_S))


def _seconds(log: ExamLog) -> float:
    assert log.clock_ns is not None
    return (log.ended_ns - log.clock_ns) / NS_PER_S


def _healthy(log: ExamLog) -> Grade:
    assert log.answer is not None
    findings = log.answer.findings
    false = tuple(f.kind for f in findings if f.kind != NOTHING and f.kind not in log.neutral)
    components = {"class": 1.0, **dict(_manner(log))}
    credit = 0.0 if false else 1.0
    found = FaultGrade(
        kind=NOTHING,
        answered=findings[0].kind,
        credit=credit,
        components=components,
        score=round(credit * _weighted(components), 6),
    )
    return _graded(log, found.score, (found,), false, right=not false)


def _graded(
    log: ExamLog,
    score: float,
    faults: tuple[FaultGrade, ...],
    false: tuple[str, ...],
    *,
    right: bool,
) -> Grade:
    assert log.answer is not None
    total = score * max(0.0, 1 - HINT_COSTS * len(log.hints))
    return Grade(
        score=round(total, 4),
        faults=faults,
        false_positives=false,
        delay_s=round(_seconds(log), 3),
        requests=len(log.requests),
        hints=len(log.hints),
        brier=round((log.answer.confidence - right) ** 2, 6),
        says="right" if right and not false else "partly right" if score else "wrong",
    )


def _empty(log: ExamLog, score: float | None, says: str) -> Grade:
    return Grade(score=score, requests=len(log.requests), hints=len(log.hints), says=says)
