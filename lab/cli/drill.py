"""`drill`: break the lab on purpose, prove it, heal it, and see who noticed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.terminal.options import AsJson, names, number, seconds

if TYPE_CHECKING:
    from lab.drills.assessment import Assessment
    from lab.drills.drill import Drill
    from lab.drills.matrix import Matrix
    from lab.drills.runner import Options, Run
    from lab.drills.series import Series
    from lab.foundation.settings import LabSettings
    from lab.terminal.screen import Screen
    from lab.verify import Report

app = typer.Typer(no_args_is_help=True)

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
Verify = Annotated[
    bool, typer.Option("--verify/--no-verify", help="Check books and counters afterwards.")
]


Html = Annotated[
    Path | None, typer.Option(help="Write the report with its plot here.", metavar="FILE")
]


@app.callback()
def drill() -> None:
    """Make a fault on purpose, prove it in PostgreSQL, heal it, and see who noticed."""


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Show every drill."""
    from lab.cli.views import drills as view
    from lab.drills.catalogue import DRILLS
    from lab.terminal.screen import out

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
    from lab.cli.views import drills as view
    from lab.drills.catalogue import find
    from lab.terminal.screen import out

    out.print(view.description(find(name)))


@app.command("run")
def run_one(
    name: str,
    lasts: For = None,
    intensity: Intensity = 1.0,
    verify: Verify = True,
    as_json: AsJson = False,
) -> None:
    """Run a drill to its verdicts.

    Exit status 1 when the fault was not there or verify failed, 2 when verify could not compare everything.
    """
    from lab.cli.views import drills as view
    from lab.drills.catalogue import find
    from lab.drills.runner import Options
    from lab.terminal.screen import out

    chosen = find(name)
    options = Options(lasts_s=lasts, intensity=intensity, verify=verify)
    [assessment] = _run([chosen], options).assessments
    if as_json:
        out.print_json(json.dumps(assessment.to_json()))
    else:
        out.print(view.verdicts(assessment))
    raise typer.Exit(assessment.run.outcome.exit_status)


@app.command("all")
def run_all(
    lasts: For = None,
    intensity: Intensity = 1.0,
    only: Annotated[
        str | None, typer.Option(help="Only these, in this order.", metavar="A,B")
    ] = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Run every drill, with a quiet minute between two, then verify: the blind-spot matrix. About an hour.

    Exit status 1 when a drill could not be run, a fault was not there, an alert that must fire did not, or
    verify failed; 2 when only verify could not compare everything.
    """
    from lab.drills import matrix
    from lab.drills.catalogue import DRILLS, find
    from lab.drills.runner import Options

    chosen = [find(name) for name in names(only, "--only", "drill") or ()]
    options = Options(lasts_s=lasts, intensity=intensity, verify=False)
    done = _run(chosen or list(DRILLS.values()), options)
    _show(matrix.of_runs(done.assessments), html, as_json=as_json)
    verified = _verified()
    problems = [*done.failed, *matrix.unmet(done.assessments)]
    problems += [f"verify failed: {name}" for name in verified.failed]
    for problem in problems:
        typer.secho(f"  {problem}", fg="red", err=True)
    for reason in verified.why_unknown:
        typer.secho(f"  verify unknown: {reason}", fg="yellow", err=True)
    raise typer.Exit(1 if problems else verified.outcome.exit_status)


@app.command()
def report(
    html: Html = None,
    again: Annotated[
        bool, typer.Option("--again", help="Judge anew what the observers still hold.")
    ] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a table of Markdown.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the blind-spot matrix of the latest run of each drill."""
    from lab.drills import matrix
    from lab.drills.report import markdown

    settings = _settings()
    found = matrix.judged_again(settings) if again else matrix.latest(settings)
    if as_markdown:
        typer.echo(markdown(found))
    else:
        _show(found, html, as_json=as_json)


@app.command()
def quiet(
    lasts: Annotated[
        float, typer.Option("--for", help="How long, in minutes.", parser=seconds, metavar="TIME")
    ] = 600.0,
    as_json: AsJson = False,
) -> None:
    """Watch a lab in which nothing is broken: whatever fires is a false alarm.

    Exit status 1 when something fires, 2 when nothing does but an observer had no data.
    """
    from lab.cli.views import drills as view
    from lab.drills.quiet import watch
    from lab.terminal.interruption import interruptible
    from lab.terminal.screen import Screen, out

    with interruptible(), Screen() as screen:
        found = watch(_settings(), for_s=lasts, reporter=screen)
    if as_json:
        out.print_json(json.dumps(found.to_json()))
    else:
        out.print(view.quiet(found))
    raise typer.Exit(found.outcome.exit_status)


@app.command("random")
def run_random(
    seed: Annotated[int, typer.Option(help="The same seed draws the same drills.")] = 15,
    every: Annotated[
        float,
        typer.Option("--every", help="From one to the next.", parser=seconds, metavar="TIME"),
    ] = 300.0,
    intensity: Intensity = 1.0,
) -> None:
    """Run drills that are drawn at random, until Ctrl-C: for people who train."""
    import random
    from threading import Event

    from lab.drills.catalogue import DRILLS
    from lab.drills.runner import Options
    from lab.terminal.interruption import interruptible

    drawn, options = random.Random(seed), Options(intensity=intensity)
    with interruptible():
        while True:
            _run([drawn.choice(list(DRILLS.values()))], options)
            Event().wait(every)


@app.command()
def stop() -> None:
    """End the drill that runs, or heal what a killed one has left."""
    from lab.drills.stopping import stop as end
    from lab.terminal.screen import Screen, out

    with Screen() as screen:
        ended = end(_settings(), screen)
    if ended is None:
        out.print("  No drill runs, and none has left anything.")


def _settings() -> "LabSettings":
    from lab.foundation.settings import LabSettings
    from lab.stack.mode import running_settings

    return running_settings(LabSettings.load())


def _run(drills: "list[Drill]", options: "Options") -> "Series":
    from lab.drills import runner, series, settling, tracing
    from lab.drills.assessment import assess
    from lab.terminal.interruption import interruptible
    from lab.terminal.screen import Screen

    settings = _settings()
    traced = tracing.start(settings)
    with interruptible(), Screen() as screen:

        def run(chosen: "Drill") -> "Assessment":
            done = runner.run(chosen, settings, options=options, reporter=screen, tracing=traced)
            _announce(chosen, done, screen)
            return assess(chosen, done, settings, screen)

        def settle(healed_ns: int, following: "Drill") -> None:
            settling.settle(healed_ns, following, settings, screen)

        return series.follow(drills, run=run, settle=settle, reporter=screen)


def _verified() -> "Report":
    """Return what verify finds after the drills."""
    from lab import verify
    from lab.terminal.screen import Screen

    with Screen() as screen:
        screen.begin("verify")
        return verify.run(_settings(), progress=screen.wait)


def _announce(chosen: "Drill", done: "Run", screen: "Screen") -> None:
    """Tell the account, where there is one; a drill does not fail because nobody could be told."""
    from lab.foundation.errors import LabError
    from lab.foundation.settings import DatadogSettings

    settings = DatadogSettings.load()
    if settings.dd_api_key is None or settings.dd_app_key is None:
        return
    # Only now: the client takes half a second to load.
    from lab.datadog.account import Account
    from lab.drills.announcing import announce

    try:
        announce(Account.of(settings), chosen, done)
    except LabError as error:
        screen.done("not announced", str(error).splitlines()[0])
    else:
        screen.done("announced", f"as an event at {settings.dd_site}")


def _show(found: "Matrix", html: Path | None, *, as_json: bool) -> None:
    from lab.cli.views import drills as view
    from lab.drills import report
    from lab.terminal.screen import out

    if html:
        html.write_text(report.html(found), encoding="utf-8")
    if as_json:
        out.print_json(json.dumps(found.to_json()))
    else:
        out.print(view.matrix(found))
