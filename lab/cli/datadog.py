"""`datadog push`: monitors and dashboard in an account; `datadog walkthrough`: the way through its pages."""

import json
from typing import Annotated

import typer
from rich.markdown import Markdown

from lab.cli.drilldown import drilldown
from lab.datadog.account import Account, web_url
from lab.foundation.errors import LabError
from lab.foundation.settings import ROOT, DatadogSettings
from lab.terminal.commands import CommandGroup, LazyCommand
from lab.terminal.options import AsJson
from lab.terminal.screen import out

group = CommandGroup(
    "datadog",
    "Work with a Datadog account.",
    LazyCommand(
        "push",
        "lab.cli.datadog:push",
        "Create or update the monitors and the dashboard; needs DD_API_KEY and DD_APP_KEY.",
    ),
    LazyCommand(
        "walkthrough",
        "lab.cli.datadog:walkthrough",
        "Show the way from a key to the plan of a slow request in Datadog's pages, with your links.",
    ),
)
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
    text = WALKTHROUGH.read_text(encoding="utf-8")
    out.print(Markdown(filled(text, DatadogSettings.load().dd_site, trace_id)))


def push(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change; change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create or update the monitors and the dashboard; needs DD_API_KEY and DD_APP_KEY."""
    account = Account.of(DatadogSettings.load())
    # Imported here: the client takes half a second to load, and a wrong key is reported at once.
    from lab.cli.views.datadog import links, render  # noqa: PLC0415
    from lab.datadog.api import Api  # noqa: PLC0415
    from lab.datadog.definitions import FOLDER, read  # noqa: PLC0415
    from lab.datadog.push import carry_out, plan  # noqa: PLC0415

    definitions = read(FOLDER)
    with Api(account) as api:
        steps = plan(api, definitions)
        if not dry_run:
            steps = carry_out(api, steps)
    if as_json:
        report = {"dry_run": dry_run, "site": account.site, "steps": [s.to_json() for s in steps]}
        out.print_json(json.dumps(report))
    else:
        out.print(render(steps, dry_run=dry_run))
        out.print(links(account, steps), soft_wrap=True)
