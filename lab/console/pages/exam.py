"""`/exam`, `/exam/{exam}` and `/exam/evidence/{door}`: clock, doors, answer form, evidence, debrief."""

from datetime import datetime

from starlette.requests import Request

from lab.console.pages import asking
from lab.console.pages.site import Page
from lab.drilldown import Drilldown, NotFoundError
from lab.exam import ending, report
from lab.exam.doors import Door, describe, doors
from lab.exam.evidence import tables
from lab.exam.form import REFERENCES
from lab.exam.place import Place, State
from lab.exam.session import HINTS, seconds_left
from lab.exam.vocabulary import KINDS, SERVICES, TABLES
from lab.foundation.errors import LabError
from lab.foundation.timestamps import moment

# Pages of the console by door; the others have the evidence of several observers.
WHERE = {
    Door.PROMETHEUS: (("/exam/evidence/prometheus", "Summary"), ("/prometheus", "PromQL")),
    Door.DATADOG: (("/exam/evidence/datadog", "Query metrics and samples"),),
    Door.APM: (("/exam/evidence/apm", "Spans"), ("/traces", "Traces")),
    Door.LOG: (("/exam/evidence/log", "Events and executions"),),
    Door.SQL: (("/sessions", "Sessions"),),
}
ABOUT = {
    Door.PROMETHEUS.value: "metrics of postgres_exporter and the services, alerts",
    Door.DATADOG.value: "query metrics and activity samples",
    Door.APM.value: "traces",
    Door.LOG.value: "the server log",
    Door.SQL.value: "live sessions, psql",
}
SHOWN = 12


def page(drilldown: Drilldown, request: Request) -> Page:
    """Show the running exam with its form; without one, the start and the last results."""
    place = Place(drilldown.settings)
    record = place.current()
    running = record if record and record.is_open else None
    opened = [door for door in Door if running and door.value in running.doors]
    deadline_ns = running.deadline_ns if running else None
    state = running.state if running else State.OVER
    if running and state is State.RUNNING and place.files(running.exam).is_ended():
        state = State.GRADING  # the exam process notices it within a second
    values = {
        "record": running,
        "state": state,
        "running": state is State.RUNNING,
        "left": seconds_left(running) if running else 0,
        "deadline": moment(deadline_ns) if deadline_ns else None,
        "doors": describe(running.doors) if running else "",
        "where": [(door.value, WHERE[door]) for door in opened],
        "whole": len(opened) == len(Door),
        "hints": ending.hints(place.files(running.exam)) if running else (),
        "most_hints": len(HINTS),
        "kinds": KINDS,
        "tables": TABLES,
        "services": SERVICES,
        "references": REFERENCES,
        "all_doors": ABOUT,
        "in_container": drilldown.settings.services_by_name,
        "finished": _row(place, record.exam) if record and not running else None,
        "error": asking.word(request, "error"),
        "closed": asking.word(request, "closed"),
        "given": request.query_params,
        "results": [_row(place, exam) for exam in place.exams()[:SHOWN]],
        "last": record,
    }
    return Page(template="exam.html", values=values)


def debrief(drilldown: Drilldown, request: Request) -> Page:
    """Show an exam that is over, second by second.

    Raises:
        NotFoundError: when there is no such exam.
    """
    place = Place(drilldown.settings)
    try:
        result = ending.read(place, request.path_params["exam"])
    except LabError as error:
        raise NotFoundError(str(error)) from error
    return Page(template="debrief.html", values=report.values(result))


def evidence(drilldown: Drilldown, request: Request) -> Page:
    """Show the evidence of one observer alone.

    Raises:
        NotFoundError: when there is no such door.
        ClosedError: when it is closed.
    """
    name = request.path_params["door"]
    if name not in list(Door):
        raise NotFoundError(f"There is no door {name[:40]}.\nDoors: {', '.join(Door)}.")
    door = Door(name)
    state = doors(drilldown.settings)
    state.require(door)
    found = tables(door, drilldown.settings)
    return Page(template="evidence.html", values={"door": name, "tables": found})


def _row(place: Place, exam: str) -> tuple[str, datetime | None, str, str]:
    """Return name, begin, score and result; a damaged result is a reason, not an error."""
    try:
        result = ending.read(place, exam)
    except LabError as error:
        return exam, None, "?", str(error).splitlines()[0]
    score = result.grade.score
    item = result.log.seal.item.template if result.log.seal else "not revealed"
    return (
        exam,
        moment(result.log.started_ns),
        "void" if score is None else f"{score:.0%}",
        f"{item}: {result.grade.says}",
    )
