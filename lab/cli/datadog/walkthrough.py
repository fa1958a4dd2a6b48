"""`datadog walkthrough`: the way through the pages of an account."""

from lab.cli.drilldown import drilldown
from lab.datadog.account import web_url
from lab.foundation.errors import LabError
from lab.foundation.settings import ROOT, DatadogSettings
from lab.terminal.screen import out

WALKTHROUGH = ROOT / "docs" / "datadog-walkthrough.md"


def filled(text: str, site: str, trace_id: str | None) -> str:
    """Return the walk with the links of a site and, if there is one, of a trace."""
    text = text.replace(web_url("datadoghq.com"), web_url(site))
    return text.replace("TRACE_ID", trace_id) if trace_id else text


def walkthrough() -> None:
    """Show the way from a key to the plan of a slow request in Datadog's pages, with your links."""
    try:
        trace_id = drilldown(docker=False, native=False).report("slowest").trace_id
    except LabError:
        trace_id = None
    # Imported here: the renderer of Markdown, after the lab was found.
    from rich.markdown import Markdown  # noqa: PLC0415

    text = WALKTHROUGH.read_text(encoding="utf-8")
    out.print(Markdown(filled(text, DatadogSettings.load().dd_site, trace_id)))
