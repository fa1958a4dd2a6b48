"""The log of an exam: everything that its grade is computed from, in one document."""

from dataclasses import dataclass

from lab.exam.form import Answer
from lab.exam.requests import Request
from lab.exam.sealing import Seal

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class TrueFault:
    """What was right about one fault. Times are nanoseconds since 1970.

    Attributes:
        kind: of lab/exam/vocabulary.py.
        objects: names that count as its object: statement, queryid, table, index, component.
        culprits: applications, services and pids that count as its culprit.
        heads: pids at the head of a blocking chain; empty: there was none.
        chain: all pids of the chain.
        onset_ns: when it was injected.
        evidence: references that show it; `log:` without a time stands for every line of the exam.
    """

    kind: str
    objects: tuple[str, ...]
    culprits: tuple[str, ...]
    heads: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    onset_ns: int
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What one observer had of one fault, by the rules of lab/judge.

    `after_s` is the seconds from the start of the clock to its first evidence, negative before; None: none.
    """

    kind: str
    observer: str
    seen: str
    after_s: float | None
    says: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExamLog:
    """A finished exam. Times are nanoseconds since 1970.

    Attributes:
        exam: its name.
        seal: nonce, seed and item; the commitment is its hash.
        commitment: as published before the injection.
        doors: the open doors.
        minutes: time for the answer.
        started_ns: of `exam start`.
        clock_ns: start of the clock, after the proof; None: it never started.
        ended_ns: of the answer, the deadline or the end by the player.
        faults: the truth; empty for a healthy lab.
        neutral: kinds that are true and not required, such as the stopped component of an observer.
        proofs: what PostgreSQL showed before the clock started.
        requests: through the doors.
        hints: times of the hints.
        answer: None: none was submitted.
        observed: what each observer had, whether its door was open or not.
        notes: what happened besides, such as a restart of PostgreSQL.
        void: why the exam does not count; empty: it counts.
    """

    version: int = VERSION
    exam: str
    seal: Seal | None
    commitment: str
    doors: tuple[str, ...]
    minutes: float
    started_ns: int
    clock_ns: int | None
    ended_ns: int
    faults: tuple[TrueFault, ...] = ()
    neutral: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()
    requests: tuple[Request, ...] = ()
    hints: tuple[int, ...] = ()
    answer: Answer | None = None
    observed: tuple[Observed, ...] = ()
    notes: tuple[str, ...] = ()
    void: str = ""
