"""`verify`: compares the totals and the services' counters with the database."""

import typer

from lab import verify as checks
from lab.cli.views.verify import render
from lab.drills.healing import heal_abandoned
from lab.foundation.settings import LabSettings
from lab.stack.mode import running_settings
from lab.terminal.options import AsJson
from lab.terminal.screen import Screen, print_result


def verify(as_json: AsJson = False) -> None:
    """Check every invariant, and the counters of the services against the database.

    Exit status 0 when all pass, 1 when one fails, 2 when none fails but one could not be checked.
    """
    settings = running_settings(LabSettings.load())
    with Screen() as screen:
        heal_abandoned(settings, screen)
        screen.begin("verify")
        report = checks.run(settings, progress=screen.wait)
    print_result(report.to_json, lambda: render(report), as_json=as_json)
    raise typer.Exit(report.outcome.exit_status)
