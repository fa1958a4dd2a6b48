"""Tables of one observer's evidence, by hand, and what a diagnoser answers from them."""

from typing import Any

from lab.exam.diagnosers import diagnose
from lab.exam.doors import Door
from lab.exam.evidence import Table
from lab.exam.form import Answer

AT = "2026-11-28T19:03:26"
EVENTS = "time,kind,application,statement,SQLSTATE,message"
# Kind, object and culprit of the first finding, and the confidence.
Found = tuple[str, str, str, float]
NOTHING: Found = ("nothing", "", "", 0.5)


def table(columns: str, *rows: tuple[Any, ...]) -> Table:
    return Table(title="", columns=tuple(columns.split(",")), rows=rows)


def first(answer: Answer) -> Found:
    finding = answer.findings[0]
    return finding.kind, finding.object, finding.culprit, round(answer.confidence, 6)


def event(
    kind: str, *, who: str = "partner-sync", message: str = "", code: str = ""
) -> tuple[Any, ...]:
    return AT, kind, who, "partner_merge", code, message


def of_log(*events: tuple[Any, ...]) -> Answer:
    return diagnose({Door.LOG: [table(EVENTS, *events)]})
