"""`exam check` and `exam ablation`: items without a player, and with players for each selection of doors."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from lab.cli.views import exam as view
from lab.exam import ablation as ablating
from lab.exam import checking
from lab.exam import report as reporting
from lab.exam.errors import ExamError
from lab.exam.experiment import Experiment, Trial, summarized
from lab.exam.items import MAX_SEED
from lab.foundation.outcome import Outcome
from lab.foundation.settings import LabSettings
from lab.stack.backend import Mode
from lab.stack.mode import current, running_settings
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, number
from lab.terminal.screen import Screen, err, print_result


def check(
    items: Annotated[
        str | None, typer.Option(help="Only these, by number: 0,12,64.", metavar="A,B")
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Chooses culprits and intensities.", min=0, max=MAX_SEED)
    ] = 15,
    as_json: AsJson = False,
) -> None:
    """Run items without a player: each must be proven, healed and verified. All: about an hour.

    Exit status 1 when one failed, 2 when one could not be verified.
    """
    settings = running_settings(LabSettings.load())
    chosen = checking.numbers(items)
    found = []
    with interruptible(), Screen() as screen:
        for checked in checking.check(chosen, settings, seed=seed, reporter=screen):
            found.append(checked)
            screen.done(f"{checked.number} {checked.template}", checked.problem or checked.verified)
    print_result(lambda: msgspec.to_builtins(found), lambda: view.checked(found), as_json=as_json)
    raise typer.Exit(Outcome.worst(each.outcome for each in found).exit_status)


def ablation(
    *,
    items: Annotated[
        str, typer.Option(help="A number of items, chosen by the seed; or ITEM,ITEM.", metavar="N")
    ] = "12",
    seed: Annotated[
        int, typer.Option(help="Chooses items, culprits and intensities.", min=0, max=MAX_SEED)
    ] = 15,
    observers: Annotated[
        str,
        typer.Option(
            "--with",
            help="each: every observer alone, in pairs, and all; or one selection: log,apm.",
            metavar="A,B",
        ),
    ] = ablating.EACH,
    player: Annotated[
        str,
        typer.Option(
            help="scripted; nothing, random, loudest, stuffing or oracle; or a command that answers.",
            metavar="NAME",
        ),
    ] = ablating.SCRIPTED,
    minutes: Annotated[
        float,
        typer.Option(
            help="Time that a command has for its answer.", parser=number(1, 120), metavar="N"
        ),
    ] = ablating.MINUTES,
    html: Annotated[
        Path | None, typer.Option(help="Write the result as a page.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run items, and show which observer alone, or together, leads to the cause.

    Each item takes three minutes; with a command as player, one exam for each selection of doors. Ctrl-C
    shows the result of the items until then.
    """
    settings = running_settings(LabSettings.load())
    design = ablating.Design(
        items=ablating.chosen(items, seed),
        seed=seed,
        player=ablating.player(player),
        selections=ablating.selections(observers),
        minutes=minutes,
    )
    if design.is_scripted and current(settings).mode is Mode.DOCKER:
        raise ExamError(
            "The lab runs in containers: a scripted player cannot read the store of its console.\n"
            "Use a native lab (./creditlab up --native), or a command as player."
        )
    trials: list[Trial] = []
    try:
        with interruptible(), Screen() as screen:
            for trial in ablating.run(design, settings, screen):
                trials.append(trial)  # noqa: PERF402 - those until an interruption are shown
    finally:
        if trials:
            _show(summarized(trials, seed=seed, player=player), html, as_json=as_json)


def _show(found: Experiment, html: Path | None, *, as_json: bool) -> None:
    if html is not None:
        html.write_text(reporting.experiment(found), encoding="utf-8")
        err.print(f"  Written: {html}")
    print_result(
        lambda: msgspec.to_builtins(found), lambda: view.experiment(found), as_json=as_json
    )
