"""Scripted players that calibrate the score: nothing, random, loudest symptom, many words, and the truth.

A player receives a log without an answer and returns the answer. Only the oracle reads the truth; the
loudest symptom reads what a dashboard would show first for a kind, which is rarely the cause.
"""

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

from lab.exam.form import MOST_EVIDENCE, MOST_FINDINGS, Answer, Finding
from lab.exam.log import ExamLog
from lab.exam.scoring import SHOWN_BY
from lab.exam.vocabulary import APPLICATIONS, KINDS, NOTHING, SERVICES, TABLES
from lab.foundation.timestamps import NS_PER_S

Player = Callable[[ExamLog, random.Random], Answer | None]
# Kind: the kind that its most conspicuous symptom suggests.
LOUDEST = MappingProxyType({
    "row-lock-chain": "slow-query",
    "ddl-queue": "slow-query",
    "idle-in-transaction": "row-lock-chain",
    "deadlocks": "row-lock-chain",
    "missing-index": "slow-query",
    "stale-statistics": "slow-query",
    "sequential-scans": "slow-query",
    "work-mem-spill": "slow-query",
    "n-plus-one": "cpu-bound-sql",
    "burst": "n-plus-one",
    "held-snapshot": "idle-in-transaction",
    "slow-application": "slow-query",
    "service-stopped": "slow-application",
})  # fmt: skip


def nothing(log: ExamLog, drawn: random.Random) -> Answer:
    """Answer that nothing is wrong, with certainty."""
    del log, drawn
    return Answer(findings=(Finding(kind=NOTHING),), confidence=1.0)


def at_random(log: ExamLog, drawn: random.Random) -> Answer:
    """Fill in every field at random."""
    return Answer(
        findings=(
            Finding(
                kind=drawn.choice(list(KINDS)),
                object=drawn.choice(TABLES),
                culprit=drawn.choice([*APPLICATIONS, *SERVICES]),
                onset_ns=log.ended_ns - drawn.randrange(300) * NS_PER_S,
            ),
        ),
        confidence=drawn.random(),
        evidence=(f"plan:{drawn.randrange(2**63)}",),
    )


def loudest(log: ExamLog, drawn: random.Random) -> Answer:
    """Name the most conspicuous symptom, with the object and application that show it."""
    del drawn
    if not log.faults:
        return Answer(findings=(Finding(kind="cpu-bound-sql"),), confidence=0.7)
    fault = log.faults[0]
    return Answer(
        findings=(
            Finding(
                kind=LOUDEST.get(fault.kind, fault.kind),
                object=fault.objects[0],
                culprit=SERVICES[2],
                onset_ns=fault.onset_ns + 30 * NS_PER_S,
            ),
        ),
        confidence=0.7,
    )


def stuffing(log: ExamLog, drawn: random.Random) -> Answer:
    """Name as much as the form accepts: two kinds, and every reference that was shown."""
    kinds = drawn.sample([kind for kind in KINDS if kind != NOTHING], MOST_FINDINGS)
    seen = [reference for request in log.requests for reference in request.shown]
    return Answer(
        findings=tuple(
            Finding(
                kind=kind,
                object=drawn.choice(TABLES),
                culprit=drawn.choice([*APPLICATIONS, *SERVICES]),
                onset_ns=log.started_ns,
            )
            for kind in kinds
        ),
        confidence=1.0,
        evidence=tuple(dict.fromkeys(seen))[:MOST_EVIDENCE],
    )


def oracle(log: ExamLog, drawn: random.Random) -> Answer:
    """Answer what is right, with references that were shown."""
    del drawn
    if not log.faults:
        return Answer(findings=(Finding(kind=NOTHING),), confidence=1.0)
    seen = {reference for request in log.requests for reference in request.shown}
    doors = set(log.doors)
    evidence = [
        reference
        for fault in log.faults
        for reference in fault.evidence
        if reference in seen and SHOWN_BY[reference.partition(":")[0]] & doors
    ]
    return Answer(
        findings=tuple(
            Finding(
                kind=fault.kind,
                object=fault.objects[0],
                culprit=fault.culprits[0],
                chain=(fault.heads[0],) if fault.heads else (),
                onset_ns=fault.onset_ns,
            )
            for fault in log.faults
        ),
        confidence=1.0,
        evidence=tuple(dict.fromkeys(evidence))[:MOST_EVIDENCE],
    )


PLAYERS: Mapping[str, Player] = MappingProxyType({
    "nothing": nothing,
    "random": at_random,
    "loudest": loudest,
    "stuffing": stuffing,
    "oracle": oracle,
})  # fmt: skip
