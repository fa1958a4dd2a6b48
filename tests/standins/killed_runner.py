"""Runs the drill missing-index again and again, kills it before each step in turn, heals, and looks.

`python -m tests.standins.killed_runner DIRECTORY` with the settings of a lab on standard input; prints a
JSON object for each kill. A process of its own, without threads, because it forks.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

from lab.clients.database import Role, connect, dsn, rows
from lab.drills.faults.missing_index import DRILL
from lab.drills.healing import heal_abandoned
from lab.drills.runner import Options, run
from lab.drills.scene import Scene
from lab.foundation.settings import LabSettings
from tests.fix_disk import Disk
from tests.fix_reporter import RecordedReporter

CALLS = ("open", "write", "fsync", "replace", "unlink", "mkdir")
INDEX = "SELECT count(*) FROM pg_indexes WHERE indexname = 'credit_proposals_customer'"
# Nothing scans the table, so the proof never comes; the heal does all the same.
UNPROVEN = replace(DRILL, proves_within_s=0.0)


def main(directory: Path, base: LabSettings) -> None:
    """Kill before step 0, 1, 2 ... until a run comes to its end."""
    for power_loss in (False, True):
        for step in count():
            state = directory / f"{step} {power_loss}"
            state.mkdir()
            settings = base.model_copy(update={"lab_state_dir": state})
            status = _forked(settings, step, power_loss=power_loss)
            if os.WIFEXITED(status):
                assert os.WEXITSTATUS(status) == 0
                break
            lost = directory / "after the power loss"
            if power_loss:
                shutil.rmtree(state)
                lost.rename(state)
            gone = _indexes(settings) == 0
            heal_abandoned(settings, RecordedReporter())
            seen = {"step": step, "power_loss": power_loss, "gone": gone}
            print(json.dumps({**seen, "healed": _indexes(settings) == 1}), flush=True)


def _indexes(settings: LabSettings) -> int:
    with connect(dsn(settings, Role.LAB)) as connection:
        [[number]] = rows(connection, INDEX)
    return int(number)


def _forked(settings: LabSettings, step: int, *, power_loss: bool) -> int:
    child = os.fork()
    if not child:
        _run(settings, step, power_loss=power_loss)
    return os.waitpid(child, 0)[1]


def _run(settings: LabSettings, step: int, *, power_loss: bool) -> NoReturn:
    disk, steps = Disk(settings.lab_state_dir), count()

    def kill_before(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **more: Any) -> Any:
            if next(steps) == step:
                for name, real in whole.items():
                    setattr(os, name, real)
                if power_loss:
                    disk.lose_power(settings.lab_state_dir.parent / "after the power loss")
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **more)

        return counting

    whole = {name: getattr(os, name) for name in CALLS}
    calls = {**whole, "fsync": disk.recording(os.fsync)}
    for name, call in calls.items():
        setattr(os, name, kill_before(call))
    # Before each statement as well: what is on disk then must suffice to take it back.
    Scene.act = kill_before(Scene.act)  # type: ignore[method-assign]
    run(
        UNPROVEN,
        settings,
        options=Options(duration_s=0.0, verify=False),
        reporter=RecordedReporter(),
    )
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), LabSettings.model_validate_json(sys.stdin.read()))
