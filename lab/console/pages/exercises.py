"""`/exercises` and `/exercises/{number}`: each drill as a lesson."""

from starlette.requests import Request

from lab.console.pages.site import Page
from lab.drilldown import Drilldown, NotFoundError
from lab.foundation.errors import LabError
from lab.learn import exercises


def listed(drilldown: Drilldown, request: Request) -> Page:
    """List the exercises by symptom."""
    del drilldown, request
    return Page(template="exercises.html", values={"exercises": exercises.exercises()})


def one(drilldown: Drilldown, request: Request) -> Page:
    """Show one exercise; hints and answer are folded.

    Raises:
        NotFoundError: when there is no such exercise.
    """
    del drilldown
    try:
        found = exercises.exercise(request.path_params["number"])
    except LabError as error:
        raise NotFoundError(str(error)) from error
    return Page(template="exercise.html", values={"it": found, "last": len(exercises.exercises())})
