"""Every state file damaged in every way: each command ends, and never with a traceback."""

import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from lab.cli import main
from lab.drills import healing, history, matrix
from lab.drills.journal import Journal, Step
from lab.drills.running import DrillFiles
from lab.foundation.lock import held
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.native import records
from lab.stack.native.supervision import Supervisor
from lab.stack.up_options import UpOptions
from lab.telemetry.pglog.tail import Tail
from lab.telemetry.redact import use_file
from tests.fix_postgres import free_port
from tests.unit.test_drills import assessment

RECORD = {"component": "risk", "pid": 1, "created": 1.0, "version": "9", "address": "x"}
RUNNING = {"run": "abc", "drill": "burst", "intensity": 1.0, "pid": 1, "began_ns": 5}
STEP = {"at_ns": 1, "run": "abc", "drill": "burst", "step": "inject", "detail": "{}"}
HEALED = {**STEP, "at_ns": 2, "step": "healed"}
# What a lab leaves in its directory while it runs: path, and what is in it.
FILES = {
    "state.json": json.dumps({"services": ["risk"], "load": 2.0, "settings": {}}),
    "docker.json": "{}",
    "lock": "`creditlab up` (process 1)",
    "run/risk.json": json.dumps(RECORD),
    "run/supervisord.json": json.dumps({**RECORD, "component": "supervisord"}),
    "drills/running.json": json.dumps(RUNNING),
    "drills/journal.jsonl": f"{json.dumps(STEP)}\n{json.dumps(HEALED)}\n",
    "drills/lock": "",
    "drills/runs/abc.json": assessment().encoded().decode(),
    "store/store.sqlite": "",
    "store/store.sqlite-wal": "",
    "store/store.sqlite-shm": "",
    "store/names.key": "x" * 32,
    "logs/risk.log": "a line\n",
    "logs/supervisord.log": "a line\n",
    "postgres/data/log/postgresql-00.json": "{}\n",
    "postgres/data/log/postgresql-00.log": "a line\n",
    "supervisord.conf": "[supervisord]",
    "supervisord.pid": "1",
    "supervisor.sock": "",
}
DIRECTORIES = ("run", "drills", "drills/runs", "store", "logs", "postgres/data/log")


def written(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(5_000_000_000)  # a hole: it takes no room


def as_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("x")


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def as_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nonexistent/of/all")


def unreadable(path: Path) -> None:
    path.chmod(0)


def of_other_types(path: Path) -> None:
    """Replace every value of a JSON document by one of another type."""
    try:
        document = json.loads(path.read_text().splitlines()[0])
    except (ValueError, IndexError):
        document = None
    known = document if isinstance(document, dict) else {}
    path.write_text(json.dumps({key: [{"x": None}] for key in known}))


def of_other_numbers(path: Path) -> None:
    """Replace every number by one that no process, clock or load has."""
    try:
        document = json.loads(path.read_text().splitlines()[0])
    except (ValueError, IndexError):
        document = None
    known = document if isinstance(document, dict) else {}
    wrong = {k: -(10**30) for k, v in known.items() if isinstance(v, int | float)}
    path.write_text(json.dumps({**known, **wrong}))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": written(b""),
    "cut off": half,
    "binary": written(bytes(range(256)) * 40),
    "not UTF-8": written(b'{"services": ["\xff\xfe"]}'),
    "null": written(b"null"),
    "an array": written(b"[1, 2]"),
    "nested too deeply": written(b"[" * 200_000),
    "an object nested too deeply": written(b'{"settings":' * 100_000),
    "other types": of_other_types,
    "other numbers": of_other_numbers,
    "infinite": written(b'{"services": null, "scale": 1e999, "load": Infinity}'),
    "huge": huge,
    "a directory": as_directory,
    "a pipe": as_pipe,
    "a loop of links": as_loop,
    "a dangling link": as_dangling_link,
    "unreadable": unreadable,
}
COMMANDS = (
    ("status",),
    ("status", "--json"),
    ("logs",),
    ("trace",),
    ("queries",),
    ("drill", "report"),
    ("drill", "stop"),
    ("verify",),
    ("down",),
    ("down", "--wipe"),
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    """A directory as a lab that was killed has left it, and ports where nothing listens."""
    state = tmp_path / "lab"
    for name, content in FILES.items():
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    # No PostgreSQL will come to heal in; a minute each is not needed to see that.
    monkeypatch.setattr(healing, "RECOVERS_WITHIN_S", 0.2)
    monkeypatch.setenv("LAB_STATE_DIR", str(state))
    # No engine, and no `docker` either, which each command would start twice to learn of that.
    monkeypatch.setenv("DOCKER_HOST", f"unix://{state}/no-engine")
    monkeypatch.setenv("PATH", str(tmp_path / "no programs"))
    for name in LabSettings.model_fields:
        if name.endswith("_port"):
            monkeypatch.setenv(name.upper(), str(free_port()))
    return LabSettings(_env_file=None, lab_state_dir=state)


def call(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a command; return what it wrote to standard error. Any other end than an exit status fails."""
    monkeypatch.setattr(sys, "argv", ["creditlab", *arguments])
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
        main()
    assert left.value.code in {0, 1, 2}, err.getvalue()
    assert "Traceback" not in err.getvalue()
    return err.getvalue()


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_command_ends_in_a_traceback(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """All files at once; afterwards nothing damaged is in the way of an `up`."""
    for name in FILES:
        DAMAGES[damage](settings.lab_state_dir / name)
    for arguments in COMMANDS:
        call(arguments, monkeypatch)
    assert not (settings.lab_state_dir / "drills").exists()


@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_file_where_a_directory_belongs(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shutil.rmtree(settings.lab_state_dir / name)
    (settings.lab_state_dir / name).write_text("no directory")
    for arguments in COMMANDS:
        call(arguments, monkeypatch)


def readers(paths: Paths) -> Iterator[Callable[[], object]]:
    """Yield what reads or writes each file, as commands and components do."""
    place = DrillFiles(paths)
    yield lambda: UpOptions.read(paths.up_options)
    yield lambda: UpOptions.read(paths.docker_up_options)
    yield lambda: list(records.living(paths.run))
    yield lambda: [Supervisor(paths).answers(), Supervisor(paths).lives()]
    yield lambda: list(Journal(place.journal).entries())
    yield lambda: history.History(place).runs()
    yield lambda: [history.kept(path) for path in place.runs.glob("*.json")]
    yield lambda: Tail(paths.postgres / "data" / "log", {}).next(now_ns=1)
    yield lambda: use_file(paths.name_key)
    yield lambda: held(paths.lock).__enter__()
    # And what an `up` writes.
    yield lambda: UpOptions(load=2.0).write(paths.up_options)
    yield lambda: Journal(place.journal).write("abc", "burst", Step.INJECT)
    yield lambda: records.Record.of_this_process("risk", version="", address="").write(paths.run)
    yield lambda: Supervisor(paths)._make_room(["risk"])


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_no_reader_of_a_state_file_breaks(settings: LabSettings, name: str, damage: str) -> None:
    """Each file for itself, each reader and writer of it."""
    DAMAGES[damage](settings.lab_state_dir / name)
    for read in readers(Paths.of(settings)):
        read()
    assert matrix.latest(settings).rows is not None


def test_the_message_names_the_file_and_what_is_lost(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`status` goes on with what .env says, and says why; the damaged file is kept."""
    (settings.lab_state_dir / "state.json").write_text("{")
    call(("status",), monkeypatch)
    assert "state.json is damaged" in caplog.text
    assert "options of the last `up` are lost" in caplog.text
    assert (settings.lab_state_dir / "state.json.damaged").read_text() == "{"
