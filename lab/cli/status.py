"""`status`: what runs."""

import json

import typer

from lab.cli.options import AsJson, Docker, Native


def status(*, docker: Docker = False, native: Native = False, as_json: AsJson = False) -> None:
    """Show each component. Exit status 0 when all that was asked for works, else 1."""
    from lab.cli import account
    from lab.cli.screen import out
    from lab.cli.show import table
    from lab.settings import LabSettings
    from lab.stack import mode
    from lab.stack.status import State

    settings = LabSettings.load()
    chosen = mode.decide(settings, mode.asked_for(docker=docker, native=native))
    found = mode.status(chosen, settings)
    key = account.checked_key()
    if as_json:
        out.print_json(json.dumps({**found.to_json(), **account.as_json(key)}))
    else:
        out.print(table(found, account.notes(key, found)))
        if all(component.state in (State.STOPPED, State.OFF) for component in found.components):
            out.print("\n  The lab is down. Start it: ./creditlab up")
        elif not found.ready:
            out.print("\n  Not ready. See ./creditlab logs; ./creditlab up starts what is missing.")
    raise typer.Exit(0 if found.ready else 1)
