"""`datadog push`: monitors and dashboard in an account."""

from typing import Annotated

import typer

from lab.datadog.account import Account
from lab.foundation.settings import DatadogSettings, LabSettings
from lab.terminal.options import AsJson
from lab.terminal.screen import out


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
    from lab.datadog.definitions import FOLDER, for_lab, read  # noqa: PLC0415
    from lab.datadog.push import carry_out, plan  # noqa: PLC0415

    definitions = for_lab(read(FOLDER), LabSettings.load())
    with Api(account) as api:
        steps = plan(api, definitions)
        if not dry_run:
            steps = carry_out(api, steps)
    if as_json:
        report = {"dry_run": dry_run, "site": account.site, "steps": [s.to_json() for s in steps]}
        out.print_json(data=report)
    else:
        out.print(render(steps, dry_run=dry_run))
        out.print(links(account, steps), soft_wrap=True)
