"""`tour`: five steps with real commands; waits before each one in a terminal."""

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from lab.cli.drilldown import drilldown
from lab.drilldown.links import Links
from lab.foundation.errors import LabError
from lab.foundation.settings import ROOT, LabSettings
from lab.learn.tour import INCIDENT_S, Language, Step, language_of, steps
from lab.stack.mode import running_settings
from lab.terminal.options import number
from lab.terminal.screen import out

WAITS = {
    Language.EN: "Enter runs it, q ends the tour: ",
    Language.PT: "Enter executa, q termina o tour: ",
}
# A page's path in a text; the console makes links of these.
PAGE = re.compile(r"(?<!\S)/[a-z]+\b")
LOOK = {Language.EN: "What to observe:", Language.PT: "Observe:"}
END = {
    Language.EN: (
        "End of the tour. Next:",
        "an exercise for each drill, with hints:  {}/exercises",
        "an exam, an unknown fault and a score:   {}/exam  or  ./creditlab exam start",
    ),
    Language.PT: (
        "Fim do tour. A seguir:",
        "um exercício para cada drill, com dicas:       {}/exercises",
        "um exame, uma falha desconhecida e uma nota:   {}/exam  ou  ./creditlab exam start",
    ),
}


def tour(
    language: Annotated[
        Language | None, typer.Option("--lang", help="en or pt; default: that of the terminal.")
    ] = None,
    step: Annotated[
        int | None, typer.Option(help="Only this step, from 1.", min=1, max=5, metavar="N")
    ] = None,
    incident: Annotated[
        int, typer.Option(help="Seconds of the incident.", parser=number(1, 600), metavar="S")
    ] = INCIDENT_S,
    yes: Annotated[bool, typer.Option("--yes", help="Do not wait for Enter.")] = False,
) -> None:
    """Show the lab in five steps: load, slow request, incident, two observers, cost.

    Without a terminal it does not wait. Exit status 1 when a command of a step failed.
    """
    chosen = language or language_of()
    every = list(enumerate(steps(chosen, incident_s=round(incident)), 1))
    console = Links.of(running_settings(LabSettings.load())).console
    _require_traces()
    waits = sys.stdin.isatty() and not yes
    failed = []
    for place, one in every if step is None else every[step - 1 : step]:
        out.rule(Text(f"{place}/{len(every)} {one.title}", style="bold"), align="left")
        out.print(Padding(Text(with_addresses(one.why, console)), (1, 2)))
        for command in one.commands:
            out.print(Text(f"  $ {command}", style="cyan"), soft_wrap=True)
        if waits and out.input(f"  {WAITS[chosen]}").strip().lower().startswith("q"):
            return
        failed += [command for command in one.commands if _run(command)]
        _explain(one, chosen, console)
    for line in END[chosen]:
        out.print(f"  {line.format(console)}", soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def with_addresses(text: str, console: str) -> str:
    """Return a text whose paths of pages, such as /sessions, are addresses that a terminal can open.

    >>> with_addresses("while it runs: /sessions shows a/b", "http://127.0.0.1:8088")
    'while it runs: http://127.0.0.1:8088/sessions shows a/b'
    """
    return PAGE.sub(lambda found: f"{console}{found[0]}", text)


def _require_traces() -> None:
    """Raise LabError when no lab answers: every step needs one."""
    try:
        drilldown(docker=False, native=False).report("slowest")
    except LabError as error:
        raise LabError(f"The tour needs a running lab: ./creditlab up\n{error}") from error


def _run(command: str) -> int:
    """Run a command of this clone; return its exit status."""
    out.print()
    out.file.flush()
    words = shlex.split(command)
    argv: Sequence[str] = (sys.executable, "-P", "-m", "lab", *words[1:])
    return subprocess.run(argv, cwd=ROOT, check=False).returncode


def _explain(step: Step, language: Language, console: str) -> None:
    out.print(Padding(Text.assemble((f"{LOOK[language]} ", "bold"), step.look), (1, 2)))
    out.print(f"  {console}{step.page}\n", soft_wrap=True)
