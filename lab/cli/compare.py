"""`compare`: the same questions to both observers, beside the truth."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from lab.cli.views.compare import render
from lab.compare import report
from lab.compare.intake import Datadog
from lab.compare.run import run
from lab.drills.matrix import machine
from lab.foundation.settings import DatadogSettings, LabSettings
from lab.stack.mode import running_settings
from lab.terminal.options import AsJson, seconds
from lab.terminal.screen import Screen, out


def compare(
    since: Annotated[
        float, typer.Option(help="The window, up to now.", parser=seconds, metavar="TIME")
    ] = 600.0,
    html: Annotated[
        Path | None, typer.Option(help="Write it as a page here.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask both observers the same, and show how far they are from the truth; and what they cost.

    With DD_API_KEY and DD_APP_KEY Datadog's own API answers for Datadog, unless the embedded agent alone
    collects: it sends nothing there. Exit status 2 when one of those that are asked did not answer.
    """
    settings = running_settings(LabSettings.load())
    with Screen() as screen, _datadog(settings, since) as datadog:
        screen.begin("compare", "asking")
        found = run(settings, since_s=since, datadog=datadog)
    if html:
        html.write_text(report.html(found, machine()), encoding="utf-8")
    if as_json:
        out.print_json(json.dumps(found.to_json()))
    else:
        out.print(render(found))
    raise typer.Exit(found.outcome.exit_status)


@contextmanager
def _datadog(settings: LabSettings, since_s: float) -> Iterator[Datadog]:
    """Whoever answers for Datadog: the account where there is one that gets something, else the intake."""
    intake, keys = Datadog(settings, since_s), DatadogSettings.load()
    if keys.dd_api_key is None or keys.dd_app_key is None or intake.is_embedded:
        yield intake
        return
    # Only now: the client takes half a second to load.
    from lab.compare.account import DatadogAccount  # noqa: PLC0415
    from lab.datadog.account import Account  # noqa: PLC0415
    from lab.datadog.api import Api  # noqa: PLC0415

    account = Account.of(keys)
    with Api(account) as api:
        yield DatadogAccount(settings, since_s, account, api)
