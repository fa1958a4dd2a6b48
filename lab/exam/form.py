"""The answer form: closed fields, checked before anything is submitted.

A finding names one kind and one object: a list of names in one field is refused, so that naming many words
is no answer.
"""

import re
from dataclasses import dataclass
from datetime import datetime

import msgspec

from lab.exam.errors import FormError
from lab.exam.vocabulary import KINDS, NOTHING
from lab.foundation.suggestions import unknown
from lab.foundation.timestamps import nanoseconds

MOST_FINDINGS = 2
MOST_EVIDENCE = 10
MOST_CHAIN = 8
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
QUERYID = re.compile(r"-?[0-9]{1,20}")
PID = re.compile(r"[0-9]{1,8}")
REFERENCE = re.compile(
    r"trace:[0-9a-f]{32}|plan:-?[0-9]{1,20}|sample:[0-9]{1,8}|series:[A-Za-z_:][A-Za-z0-9_:]{0,120}"
    r"|log:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
)
REFERENCES = "trace:32HEX, plan:QUERYID, sample:PID, series:METRIC, log:YYYY-MM-DDTHH:MM:SS (UTC)"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault, as the player describes it; an empty field is not known.

    Attributes:
        kind: of lab/exam/vocabulary.py.
        object: a statement's name or queryid, a table, an index or a component.
        culprit: an application, a service, or the pid of a session.
        chain: pids of a blocking chain, from a waiting session to its head.
        onset_ns: when the fault began, in nanoseconds since 1970; None: not known.
    """

    kind: str
    object: str = ""
    culprit: str = ""
    chain: tuple[str, ...] = ()
    onset_ns: int | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A complete answer. `confidence` is the player's probability that the kinds are right, 0 to 1."""

    findings: tuple[Finding, ...]
    confidence: float = 0.5
    evidence: tuple[str, ...] = ()


class _Fields(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    object: str = ""
    culprit: str = ""
    chain: list[str] = []
    onset: str = ""


class _Form(msgspec.Struct, forbid_unknown_fields=True):
    findings: list[_Fields]
    confidence: float = 0.5
    evidence: list[str] = []


def decode(content: bytes | str) -> Answer:
    """Return the answer of a JSON document: `{"findings": [{"kind", ...}], "confidence", "evidence"}`.

    Raises:
        FormError: naming the field, its value and what was expected.
    """
    try:
        form = msgspec.json.decode(content, type=_Form)
    except (ValueError, RecursionError) as error:
        raise FormError(f"The answer is no valid form: {error}.") from None
    if not 1 <= len(form.findings) <= MOST_FINDINGS:
        raise FormError(f"{len(form.findings)} findings: 1 or {MOST_FINDINGS} are expected.")
    return checked(
        Answer(
            findings=tuple(_finding(each) for each in form.findings),
            confidence=form.confidence,
            evidence=tuple(dict.fromkeys(reference.strip() for reference in form.evidence)),
        )
    )


def checked(answer: Answer) -> Answer:
    """Return the answer when it is consistent as a whole.

    Raises:
        FormError: when `nothing` is combined, a finding is repeated, or a number is out of range.
    """
    kinds = [finding.kind for finding in answer.findings]
    if NOTHING in kinds and len(kinds) > 1:
        raise FormError(f'"{NOTHING}" cannot be combined with another finding.')
    if len(set(answer.findings)) < len(answer.findings):
        raise FormError(f"{kinds[0]} is named twice with the same fields.")
    if not 0 <= answer.confidence <= 1:
        raise FormError(f"confidence {answer.confidence:g}: a number from 0 to 1 is expected.")
    if len(answer.evidence) > MOST_EVIDENCE:
        raise FormError(f"{len(answer.evidence)} references: at most {MOST_EVIDENCE} are expected.")
    for reference in answer.evidence:
        if not REFERENCE.fullmatch(reference):
            raise FormError(
                f'evidence "{reference[:60]}" is no reference.\nExpected: {REFERENCES}.'
            )
    return answer


def _finding(given: _Fields) -> Finding:
    kind = given.kind.strip().lower()
    if kind not in KINDS:
        raise FormError(unknown("kind", given.kind[:60], KINDS))
    chain = tuple(pid.strip() for pid in given.chain)
    if len(chain) > MOST_CHAIN or not all(PID.fullmatch(pid) for pid in chain):
        raise FormError(f"chain {list(chain)}: at most {MOST_CHAIN} pids are expected.")
    return Finding(
        kind=kind,
        object=_name("object", given.object, QUERYID, "a statement, queryid, table or index"),
        culprit=_name("culprit", given.culprit, PID, "an application, a service or a pid"),
        chain=chain,
        onset_ns=_onset(given.onset.strip()),
    )


def _name(field: str, given: str, number: re.Pattern[str], expected: str) -> str:
    name = given.strip()
    if name and not NAME.fullmatch(name) and not number.fullmatch(name):
        raise FormError(f'{field} "{name[:60]}": exactly one name is expected: {expected}.')
    return name


def _onset(given: str) -> int | None:
    if not given:
        return None
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise FormError(
            f'onset "{given[:40]}": a time as 2026-11-28T19:03:26 is expected.'
        ) from None
    return nanoseconds(found)
