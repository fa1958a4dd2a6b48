"""The debrief as an HTML page."""

from lab.exam.ending import Result


def page(result: Result) -> str:
    """Return the page."""
    return result.log.exam
