"""`/go`: redirects from an entered trace id, traceparent, queryid or statement name to its page."""

import re

from starlette.requests import Request

from lab.console.pages import asking
from lab.console.pages.site import Redirect
from lab.drilldown import Drilldown
from lab.drilldown.errors import MalformedIdError
from lab.drilldown.ids import parse
from lab.drilldown.links import query_path, trace_path

# A queryid, or a statement's name as in workload/sql/.
QUERY = re.compile(r"-?[0-9]{1,20}|[a-z][a-z0-9_]*|[0-9a-f]{6,16}")


def page(drilldown: Drilldown, request: Request) -> Redirect:
    """Redirect to a trace, an execution or a statement.

    Raises:
        MalformedIdError: when it is none of these.
    """
    del drilldown
    given = asking.word(request, "q")
    if given is None:
        return Redirect(path="/traces")
    try:
        found = parse(given)
    except MalformedIdError:
        if QUERY.fullmatch(given):
            return Redirect(path=query_path(given))
        raise
    return Redirect(path=trace_path(found.trace_id, found.span_id))
