"""Tools of the exam: its state, the answer form, and hints. Only these change anything, and only the exam."""

from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from lab.exam import form, session
from lab.exam.ending import Result
from lab.exam.errors import ExamError
from lab.exam.vocabulary import KINDS
from lab.foundation import clock
from lab.foundation.timestamps import NS_PER_S
from lab.mcp.answer import at, compact
from lab.mcp.sources import Sources
from lab.mcp.tool import tool

MAX_EVIDENCE = 20
NONE = "No exam is running. A person starts one: ./creditlab exam start, or the page /exam of the console."


class Finding(BaseModel):
    """One fault; an empty field is not known."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[
        str,
        Field(description="Class of the fault.", json_schema_extra={"enum": list(KINDS)}),
    ]
    object: Annotated[
        str, Field(max_length=80, description="A statement, queryid, table, index or component.")
    ] = ""
    culprit: Annotated[
        str, Field(max_length=80, description="An application, a service, or the pid of a session.")
    ] = ""
    chain: Annotated[
        list[str], Field(max_length=8, description="Pids of a blocking chain, its head last.")
    ] = []
    onset: Annotated[
        str, Field(max_length=40, description="When it began, in UTC: 2026-01-31T09:30:00.")
    ] = ""


class _NoProgress:
    """A reporter whose progress is not shown: the answer of the tool is the result."""

    def begin(self, step: str, detail: str = "") -> None:
        """A step begins."""

    def wait(self, detail: str) -> None:
        """The step waits."""

    def done(self, step: str, detail: str = "") -> None:
        """A step is done."""


class ExamTools:
    """Tools for a player who has only this server."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    @tool("State of the exam")
    def exam_status(self) -> dict[str, Any]:
        """Return the running exam: open doors, seconds left, the kinds of faults, the form of references.

        In an exam an unknown fault may be present, or nothing. Only tools of the open doors answer;
        each request is counted. Find class, object, culprit and onset, then call exam_answer once.
        """
        record = session.current(self._sources.running())
        if record is None:
            return {"state": "none", "note": NONE}
        left = (
            None if record.deadline_ns is None else (record.deadline_ns - clock.now_ns()) / NS_PER_S
        )
        document = {
            "exam": record.exam,
            "state": record.state.value,
            "doors": record.doors,
            "minutes": record.minutes,
            "clock_started": None if record.clock_ns is None else at(record.clock_ns),
            "seconds_left": left,
            "kinds": {kind: text for kind, (_, text) in KINDS.items()},
            "references": form.REFERENCES,
        }
        return dict(compact(document))

    @tool("Answer form of the exam", writes=True)
    def exam_answer(
        self,
        *,
        findings: Annotated[
            list[Finding],
            Field(
                min_length=1,
                max_length=2,
                description="One fault, or two; nothing for a healthy lab.",
            ),
        ],
        confidence: Annotated[
            float, Field(ge=0, le=1, description="Your probability that the kinds are right.")
        ] = 0.5,
        evidence: Annotated[
            list[str] | None,
            Field(
                max_length=10,
                description=f"References that you have opened: {form.REFERENCES}.",
            ),
        ] = None,
    ) -> dict[str, Any]:
        """Submit the answer of the running exam, once; returns the score and the truth.

        A finding names one kind, one object and one culprit. Evidence counts only if an answer of this
        server has shown it. Returns after the fault is healed, within some minutes.
        """
        document = {
            "findings": [one.model_dump() for one in findings],
            "confidence": confidence,
            "evidence": evidence or [],
        }
        given = form.decode(msgspec.json.encode(document))
        result = session.answer(self._sources.running(), given, _NoProgress())
        return dict(compact(_result(result)))

    @tool("Hint of the exam", writes=True)
    def exam_hint(self) -> dict[str, Any]:
        """Return the next hint of the running exam; each costs a tenth of the score."""
        settings = self._sources.running()
        if session.current(settings) is None:
            raise ExamError(NONE)
        return {"hint": session.hint(settings).text}


def _result(result: Result) -> dict[str, Any]:
    """Return the grade beside the truth; `./creditlab exam report` has all of it."""
    log = result.log
    truth = [
        {
            "kind": fault.kind,
            "objects": fault.objects,
            "culprits": fault.culprits,
            "chain": fault.chain,
            "onset": at(fault.onset_ns),
            "evidence": fault.evidence[:MAX_EVIDENCE],
        }
        for fault in log.faults
    ]
    return {
        "exam": log.exam,
        "grade": result.grade,
        "truth": truth or [{"kind": "nothing"}],
        "void": log.void,
        "notes": log.notes,
        "verified": result.verified,
        "seed": log.seal.seed if log.seal else None,
    }
