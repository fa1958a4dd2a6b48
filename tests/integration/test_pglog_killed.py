"""A console that is killed while it reads: the log is in the store, each line once."""

import os
import threading
import time
from pathlib import Path

from lab.telemetry.store import Reader
from tests.fix_console import start_console
from tests.unit.test_pglog_tail import line

LINES, KILLS = 20_000, 3
DEADLINE_S = 150


def test_killed_while_reading(tmp_path: Path) -> None:
    """Through three kills -9 in the middle of a growing log no line is lost or doubled."""
    logs = tmp_path / "log"
    logs.mkdir()
    log = logs / "postgresql-00.json"
    state = tmp_path / "state"
    reader = Reader(state / "store" / "store.sqlite")

    def stored() -> int:
        return int(reader.rows("SELECT count(*) FROM executions")[0][0])

    numbers = iter(range(LINES))
    pause = threading.Event()
    for run in range(KILLS + 1):
        console = start_console(state, POSTGRES_LOG_DIR=str(logs))
        try:
            before = stored()
            share = [next(numbers) for _ in range(LINES // (KILLS + 1))]
            with log.open("ab", buffering=0) as file:
                for start in range(0, len(share), 500):
                    file.write(b"".join(map(line, share[start : start + 500])))
            deadline = time.monotonic() + DEADLINE_S
            wanted = LINES if run == KILLS else before + 1
            while (seen := stored()) < wanted:
                assert time.monotonic() < deadline, f"{seen} of {wanted} lines after {DEADLINE_S} s"
                pause.wait(0.002)
        finally:
            if run < KILLS:
                os.kill(console.process.pid, 9)
                console.process.wait(DEADLINE_S)
            else:
                console.stop()
    counted = reader.rows(
        "SELECT count(*), count(DISTINCT pid), min(pid), max(pid) FROM executions"
    )
    assert counted == [(LINES, LINES, 0, LINES - 1)]
