"""`drill`: break the lab on purpose, prove it, heal it, and see who noticed."""

import json
import re
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.options import AsJson

if TYPE_CHECKING:
    from lab.cli.screen import Screen
    from lab.drills.assessment import Assessment
    from lab.drills.drill import Drill
    from lab.drills.runner import Options
    from lab.settings import LabSettings

app = typer.Typer(no_args_is_help=True)
DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>s|m|h)?")
UNITS = {None: 1, "s": 1, "m": 60, "h": 3600}


def _seconds(text: str) -> float:
    match = DURATION.fullmatch(text)
    if not match or float(match["number"]) <= 0:
        raise typer.BadParameter(f"{text!r} is no duration: write 60s, 5m or 1h")
    return float(match["number"]) * UNITS[match["unit"]]


For = Annotated[
    float | None,
    typer.Option("--for", help="From proof to heal: 60s, 2m.", parser=_seconds, metavar="TIME"),
]
Intensity = Annotated[
    float, typer.Option(help="1 is the drill as designed.", min=0.1, max=10, metavar="X")
]
Verify = Annotated[
    bool, typer.Option("--verify/--no-verify", help="Check books and counters afterwards.")
]


@app.callback()
def drill() -> None:
    """Make a fault on purpose, prove it in PostgreSQL, heal it, and see who noticed."""


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Show every drill."""
    from lab.cli.screen import out
    from lab.drills import view
    from lab.drills.catalogue import DRILLS

    if as_json:
        rows = [
            {"name": d.name, "title": d.title, "aliases": d.aliases, "alerts": d.alerts}
            for d in DRILLS.values()
        ]
        out.print_json(json.dumps(rows))
    else:
        out.print(view.catalogue(DRILLS.values()))


@app.command()
def show(name: str) -> None:
    """Show what a drill does, as whom, and what should be seen."""
    from lab.cli.screen import out
    from lab.drills import view
    from lab.drills.catalogue import find

    out.print(view.description(find(name)))


@app.command("run")
def run_one(
    name: str,
    lasts: For = None,
    intensity: Intensity = 1.0,
    verify: Verify = True,
    as_json: AsJson = False,
) -> None:
    """Run a drill to its verdicts. Exit status 1 when the fault was not there or the books are wrong."""
    from lab.cli.screen import out
    from lab.drills import view
    from lab.drills.catalogue import find
    from lab.drills.runner import Options

    chosen = find(name)
    [assessment] = _run([chosen], Options(lasts_s=lasts, intensity=intensity, verify=verify))
    if as_json:
        out.print_json(json.dumps(assessment.to_json()))
    else:
        out.print(view.verdicts(assessment))
    raise typer.Exit(0 if assessment.run.ok else 1)


@app.command()
def stop() -> None:
    """End the drill that runs, or heal what a killed one has left."""
    from lab.cli.screen import Screen, out
    from lab.drills.stopping import stop as end

    with Screen() as screen:
        ended = end(_settings(), screen)
    if ended is None:
        out.print("  No drill runs, and none has left anything.")


def _settings() -> "LabSettings":
    from lab.settings import LabSettings
    from lab.stack.mode import running_settings

    return running_settings(LabSettings.load())


def _run(drills: "list[Drill]", options: "Options") -> "list[Assessment]":
    from lab.cli.interruption import interruptible
    from lab.cli.screen import Screen
    from lab.drills import tracing

    settings = _settings()
    traced = tracing.start(settings)
    with interruptible(), Screen() as screen:
        return [_run_one(drill, settings, options, screen, traced) for drill in drills]


def _run_one(
    chosen: "Drill", settings: "LabSettings", options: "Options", screen: "Screen", traced: object
) -> "Assessment":
    from lab.drills.assessment import assess
    from lab.drills.runner import run

    done = run(chosen, settings, options=options, reporter=screen, tracing=traced)  # type: ignore[arg-type]
    return assess(chosen, done, settings, screen)
