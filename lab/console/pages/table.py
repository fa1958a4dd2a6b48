"""The table of pages: path and handler."""

from types import MappingProxyType

from lab.console.pages import (
    alerts,
    compare,
    drills,
    exam,
    execution,
    exercises,
    expression,
    go,
    overview,
    plans,
    queries,
    runbook,
    saved,
    service_map,
    sessions,
    tour,
    traces,
)
from lab.console.pages.site import PageHandler

PAGES: MappingProxyType[str, PageHandler] = MappingProxyType(
    {
        "/": overview.page,
        "/map": service_map.page,
        "/traces": traces.search,
        "/traces/{trace_id}": traces.one,
        "/traces/{trace_id}/{span_id}": execution.page,
        "/queries": queries.listed,
        "/queries/{key}": queries.one,
        "/plans": plans.page,
        "/sessions": sessions.page,
        "/alerts": alerts.page,
        "/drills": drills.listed,
        "/drills/{run}": drills.one,
        "/exam": exam.page,
        "/exam/evidence/{door}": exam.evidence,
        "/exam/{exam}": exam.debrief,
        "/tour": tour.page,
        "/exercises": exercises.listed,
        "/exercises/{number}": exercises.one,
        "/runbook/{alert}": runbook.page,
        "/compare": compare.page,
        "/prometheus": expression.page,
        "/saved": saved.page,
        "/go": go.page,
    }
)
