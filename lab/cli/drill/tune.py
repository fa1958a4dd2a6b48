"""`drill tune`: thresholds of signals from recorded minutes and drills, tested on the held-out half."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from lab.cli.views import tuning as view
from lab.drills import minutes, stretches
from lab.drills.recording import replayed
from lab.drills.running import DrillFiles
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.judge.tuning import tune as tuned
from lab.terminal.options import AsJson
from lab.terminal.screen import print_result


def tune(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Recorded minutes; without one those of this lab.", metavar="[FILE]..."
        ),
    ] = None,
    recording: Annotated[
        list[Path] | None,
        typer.Option(help="Also the minutes of a recording.", metavar="DIRECTORY"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set thresholds on one half of recorded minutes, and test them on the other.

    No threshold is changed: the result shows which ones to change in lab/drills/faults.
    """
    if not files and not recording:
        files = [DrillFiles(Paths.of(LabSettings.load())).minutes]
    recorded = [found for file in files or () for found in stretches.read(file)]
    for directory in recording or ():
        with replayed(directory) as found:
            recorded += minutes.of_recording(found)
    results = list(tuned(recorded, minutes.signals_by_drill()))
    print_result(
        lambda: msgspec.to_builtins(results),
        lambda: view.results(results, recorded),
        as_json=as_json,
    )
