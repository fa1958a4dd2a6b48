"""`verify`: do the books, the counters and the database agree?"""

import json

import typer

from lab.cli.options import AsJson


def verify(as_json: AsJson = False) -> None:
    """Check every invariant, and the counters of the services against the database.

    Exit status 0 when all hold, 1 when one fails, 2 when none fails but one could not be checked.
    """
    from lab.cli.screen import Screen, out
    from lab.drills.healing import heal_abandoned
    from lab.settings import LabSettings
    from lab.stack.mode import running_settings
    from lab.verify import run
    from lab.verify.view import render

    settings = running_settings(LabSettings.load())
    with Screen() as screen:
        heal_abandoned(settings, screen)
        screen.begin("verify")
        report = run(settings, progress=screen.wait)
    if as_json:
        out.print_json(json.dumps(report.to_json()))
    else:
        out.print(render(report))
    raise typer.Exit(report.outcome.exit_status)
