"""`/runbook/{alert}`: what an alert means and what to do, from docs/alerts.md."""

import re
from itertools import pairwise

from starlette.requests import Request

from lab.console.pages.site import Page
from lab.drilldown import Drilldown, NotFoundError
from lab.foundation.settings import ROOT

RUNBOOKS = ROOT / "docs" / "alerts.md"
HEADING = re.compile(r"^## (\w{1,60})$", re.MULTILINE)
FENCE = re.compile(r"^```(?:sql)?$", re.MULTILINE)


def sections(text: str) -> dict[str, str]:
    """Return the sections of a document by heading."""
    found = list(HEADING.finditer(text))
    ends = [*(match.start() for match in found), len(text)]
    return {
        match[1]: text[match.end() : end].strip()
        for match, (_, end) in zip(found, pairwise(ends), strict=True)
    }


def blocks(section: str) -> list[tuple[bool, str]]:
    r"""Return the paragraphs of a section, and its code blocks with True, in order.

    >>> blocks("Who?\n\n```sql\nSELECT 1;\n```\nThen [act](#x).")
    [(False, 'Who?'), (True, 'SELECT 1;'), (False, 'Then act.')]
    """
    found = []
    for number, part in enumerate(FENCE.split(section)):
        if number % 2:
            found.append((True, part.strip()))
        else:
            plain = re.sub(r"\[([^\]]{1,100})\]\([^)]{1,200}\)", r"\1", part).replace("`", "")
            found += [(False, text.strip()) for text in plain.split("\n\n") if text.strip()]
    return found


def page(drilldown: Drilldown, request: Request) -> Page:
    """Show the runbook of an alert.

    Raises:
        NotFoundError: when docs/alerts.md has none of this name.
    """
    del drilldown
    name = request.path_params["alert"]
    try:
        known = sections(RUNBOOKS.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotFoundError(f"{RUNBOOKS} cannot be read: {error.strerror}.") from error
    section = next((text for key, text in known.items() if key.lower() == name.lower()), None)
    if section is None:
        raise NotFoundError(
            f"docs/alerts.md has no runbook {name[:40]}.\n/drills lists all drills."
        )
    values = {"name": name, "blocks": blocks(section)}
    return Page(template="runbook.html", values=values)
