"""`drill run`, `all`, `random` and `stop`: runs drills by lab/drills, and prints the verdicts."""

from typing import Annotated

import typer

from lab.cli.drill.showing import DrillName, Html, show_matrix
from lab.cli.views import drills as view
from lab.drills import matrix, runs, stopping
from lab.drills.catalogue import DRILLS, find
from lab.drills.runner import Options
from lab.foundation.settings import LabSettings
from lab.stack.mode import running_settings
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, names, number, seconds
from lab.terminal.screen import Screen, out, print_result

For = Annotated[
    float | None,
    typer.Option("--for", help="From proof to heal: 60s, 2m.", parser=seconds, metavar="TIME"),
]
Intensity = Annotated[
    float,
    typer.Option(
        help="1 is the drill as designed; 0.1 to 10.", parser=number(0.1, 10), metavar="X"
    ),
]
Verify = Annotated[bool, typer.Option("--verify/--no-verify", help="Run verify afterwards.")]


def run_one(
    name: DrillName,
    lasts: For = None,
    intensity: Intensity = 1.0,
    verify: Verify = True,
    as_json: AsJson = False,
) -> None:
    """Run a drill to its verdicts.

    Exit status 1 when the fault was not present or verify failed, 2 when verify had an unknown result.
    """
    chosen = find(name)
    options = Options(duration_s=lasts, intensity=intensity, verify=verify)
    settings = running_settings(LabSettings.load())
    with interruptible(), Screen() as screen:
        done = runs.to_verdicts([chosen], settings, options=options, reporter=screen)
    [assessment] = done.assessments
    print_result(assessment.to_json, lambda: view.verdicts(assessment), as_json=as_json)
    raise typer.Exit(assessment.run.outcome.exit_status)


def run_all(
    lasts: For = None,
    intensity: Intensity = 1.0,
    only: Annotated[
        str | None, typer.Option(help="Only these, in this order.", metavar="A,B")
    ] = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Run every drill, with a minute between two, then verify: the blind-spot matrix. About an hour.

    Exit status 1 when a drill could not be run, a fault was not present, an alert that must fire did not,
    or verify failed; 2 when only verify had an unknown result.
    """
    chosen = [find(name) for name in names(only, "--only", "drill") or DRILLS]
    options = Options(duration_s=lasts, intensity=intensity, verify=False)
    settings = running_settings(LabSettings.load())
    with interruptible(), Screen() as screen:
        done = runs.verified(chosen, settings, options=options, reporter=screen)
    show_matrix(matrix.of_runs(done.series.assessments), html, as_json=as_json)
    for problem in done.problems:
        typer.secho(f"  {problem}", fg="red", err=True)
    for reason in done.verified.why_unknown:
        typer.secho(f"  verify unknown: {reason}", fg="yellow", err=True)
    raise typer.Exit(done.outcome.exit_status)


def run_random(
    seed: Annotated[int, typer.Option(help="The same seed runs the same drills.")] = 15,
    every: Annotated[
        float,
        typer.Option(
            "--every",
            help="Pause between two drills: 60s, 5m.",
            parser=seconds,
            metavar="TIME",
            show_default="5m",
        ),
    ] = 300.0,
    intensity: Intensity = 1.0,
) -> None:
    """Run drills in random order, until Ctrl-C, for training."""
    settings = running_settings(LabSettings.load())
    options = Options(intensity=intensity)
    with interruptible(), Screen() as screen:
        for _ in runs.at_random(
            settings, seed=seed, every_s=every, options=options, reporter=screen
        ):
            screen.close()


def stop() -> None:
    """End the running drill, or heal what a killed one has left."""
    with Screen() as screen:
        ended = stopping.stop(running_settings(LabSettings.load()), screen)
    if ended is None:
        out.print("  No drill is running, and no fault is left.")
