"""`compare`: the same questions to both observers, compared with the database."""

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
    """Compare the answers of both observers with the database, and show what observing costs.

    With DD_API_KEY and DD_APP_KEY the answers of Datadog come from its API, unless only the embedded agent
    runs: it sends nothing there. Exit status 2 when an observer did not answer.
    """
    settings = running_settings(LabSettings.load())
    with Screen() as screen, _datadog(settings, since) as datadog:
        screen.begin("compare", "querying")
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
    """The source of Datadog's answers: the account if there is one with data, else the intake."""
    intake, keys = Datadog(settings, since_s), DatadogSettings.load()
    if keys.dd_api_key is None or keys.dd_app_key is None or intake.is_embedded:
        yield intake
        return
    # Imported here: the client takes half a second to load.
    from lab.compare.account import DatadogAccount  # noqa: PLC0415
    from lab.datadog.account import Account  # noqa: PLC0415
    from lab.datadog.api import Api  # noqa: PLC0415

    account = Account.of(keys)
    with Api(account) as api:
        yield DatadogAccount(settings, since_s, account, api)
