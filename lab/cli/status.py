"""`status`: the state of each component."""

import typer

from lab.cli import account
from lab.cli.views.status import table
from lab.foundation.outcome import Outcome
from lab.foundation.settings import LabSettings
from lab.stack import mode
from lab.stack.status import State
from lab.terminal.options import AsJson, Docker, Native
from lab.terminal.screen import out


def status(*, docker: Docker = False, native: Native = False, as_json: AsJson = False) -> None:
    """Show each component.

    Exit status 0 when all requested components work, 1 when one does not, 2 when that is unknown.
    """
    settings = LabSettings.load()
    found = mode.decide(settings, mode.requested(docker=docker, native=native)).status()
    key = account.checked_key()
    if as_json:
        out.print_json(data={**found.to_json(), **account.as_json(key)})
    else:
        out.print(table(found, account.notes(key, found)))
        if install := account.install_command(key, found):
            out.print(f"  {install}", soft_wrap=True)
        if all(component.state in (State.STOPPED, State.OFF) for component in found.components):
            out.print("\n  The lab is down. Start it: ./creditlab up")
        elif paused := [c for c in found.components if c.state is State.PAUSED]:
            out.print("\n  Paused services take no arrivals. Resume one: ", end="")
            out.print(paused[0].health.next_step, soft_wrap=True)
        elif found.outcome is Outcome.FAILED:
            out.print("\n  Not ready. See ./creditlab logs; ./creditlab up starts what is missing.")
        elif found.outcome is Outcome.UNKNOWN:
            reasons = "\n  ".join(found.why_unknown)
            out.print(f"\n  Unknown. ./creditlab restart ends what does not answer.\n  {reasons}")
    raise typer.Exit(found.outcome.exit_status)
