"""State files: what is written survives a kill at any step and a power loss; damage is set aside."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, product
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from lab.drills.history import kept
from lab.drills.journal import Journal, Step
from lab.drills.running import DrillFiles, Memo, Running
from lab.foundation import statefile
from lab.foundation.paths import Paths
from lab.foundation.statefile import DamagedError
from lab.stack.native.records import Record
from lab.stack.up_options import UpOptions
from tests.fix_disk import Disk
from tests.unit.test_drills import assessment

RUNNING = Running(run="abc", drill="deadlocks", intensity=1.0, pid=1, began_ns=5)
CALLS = ("open", "write", "fsync", "replace", "unlink", "mkdir", "close")


class Killed(BaseException):
    """The process ends here: nothing catches it, and what it had begun stays as it is."""


@contextmanager
def killed_at(step: int, disk: Disk) -> Iterator[None]:
    """End the block before its so-manieth call of the operating system."""
    steps = count()

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **more: Any) -> Any:
            if next(steps) == step:
                raise Killed
            return call(*arguments, **more)

        return counting

    real = {name: getattr(os, name) for name in CALLS}
    real["fsync"] = disk.recording(os.fsync)
    patches = [mock.patch.object(os, name, counted(call)) for name, call in real.items()]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def write_memory(state: Path) -> None:
    UpOptions(load=2.0).write(Paths(state=state).up_options)


def read_memory(state: Path) -> object:
    return UpOptions.read(Paths(state=state).up_options)


def write_record(state: Path) -> None:
    Record(component="risk", pid=2, created=1.0, version="", address="").write(state / "run")


def read_record(state: Path) -> object:
    return Record.read(state / "run", "risk")


def write_running(state: Path) -> None:
    Memo(DrillFiles(Paths(state=state)), RUNNING)["definition"] = "CREATE INDEX"


def read_running(state: Path) -> object:
    found = DrillFiles(Paths(state=state)).read()
    return found and found.drill


def write_journal(state: Path) -> None:
    Journal(DrillFiles(Paths(state=state)).journal).write("abc", "deadlocks", Step.INJECT)


def read_journal(state: Path) -> object:
    return [entry.step for entry in Journal(DrillFiles(Paths(state=state)).journal).entries()]


def write_run(state: Path) -> None:
    runs = DrillFiles(Paths(state=state)).runs
    statefile.write(runs / "abc.json", assessment().encoded())


def read_run(state: Path) -> object:
    found = kept(DrillFiles(Paths(state=state)).runs / "abc.json")
    return found and found.run.drill


FILES = {
    "options of up": (write_memory, read_memory),
    "record of a process": (write_record, read_record),
    "running drill and its memo": (write_running, read_running),
    "journal": (write_journal, read_journal),
    "verdicts of a run": (write_run, read_run),
}
LOSSES = list(product((False, True), repeat=2))


@pytest.mark.parametrize("name", FILES)
def test_a_state_file_is_whole_after_a_kill_at_any_step(tmp_path: Path, name: str) -> None:
    """Killed before each call in turn, and with any part of what was not fsynced lost: old or new."""
    write, read = FILES[name]
    (tmp_path / "new").mkdir()
    before = read(tmp_path / "new")
    write(tmp_path / "new")
    after = read(tmp_path / "new")
    assert after != before
    for step in count():
        state = tmp_path / f"state {step}"
        state.mkdir()
        disk = Disk(state)
        finished = False
        try:
            with killed_at(step, disk):
                write(state)
                finished = True
        except Killed:
            pass
        for number, (names, contents) in enumerate(LOSSES):
            image = tmp_path / f"image {step} {number}"
            disk.lose_power(image, names_survive=names, contents_survive=contents)
            assert read(image) in ([after] if finished else [before, after]), (step, names)
            assert not list(image.rglob("*.damaged")), (step, names, contents)
        assert read(state) in (before, after)
        disk.close()
        if finished:
            break
    assert step > 5


@pytest.mark.parametrize("name", FILES)
def test_what_was_written_survives_a_kill_during_the_next_write(tmp_path: Path, name: str) -> None:
    """A second write that is killed at any step leaves what the first one made durable."""
    write, read = FILES[name]
    for step in range(8):
        state = tmp_path / f"state {step}"
        state.mkdir()
        write(state)
        after = read(state)
        disk = Disk(state)
        with pytest.raises(Killed), killed_at(step, disk):
            write(state)
        image = tmp_path / f"image {step}"
        disk.lose_power(image)
        # Of the journal one line more may be there, never one less.
        found, least = read(image), after
        if isinstance(found, list) and isinstance(least, list):
            found = found[: len(least)]
        assert found == least
        disk.close()


def test_the_disk_of_these_tests_loses_what_nobody_fsynced(tmp_path: Path) -> None:
    """A rename without fsync is lost, or leaves an empty file: the model is as bad as a real one."""
    (tmp_path / "root").mkdir()
    disk = Disk(tmp_path / "root")
    (tmp_path / "root" / "partial").write_bytes(b"content")
    (tmp_path / "root" / "partial").replace(tmp_path / "root" / "file")
    disk.lose_power(tmp_path / "nothing")
    disk.lose_power(tmp_path / "empty", names_survive=True)
    assert list((tmp_path / "nothing").iterdir()) == []
    assert (tmp_path / "empty" / "file").read_bytes() == b""


def test_a_line_after_a_torn_one_is_not_lost_with_it(tmp_path: Path) -> None:
    """A write that was cut off left no end of line."""
    write_journal(tmp_path)
    with DrillFiles(Paths(state=tmp_path)).journal.open("ab") as file:
        file.write(b'{"at_ns": 12, "ru')
    write_journal(tmp_path)
    assert read_journal(tmp_path) == ["inject", "inject"]


def test_no_module_replaces_a_state_file_by_itself() -> None:
    """One helper does it: a rename elsewhere is listed here with its reason."""
    elsewhere = {
        # Configuration that its program is given anew at each start.
        "lab/stack/agent.py",
        "lab/foundation/statefile.py",
    }
    root = Path(statefile.__file__).parents[2]
    found = {
        str(path.relative_to(root))
        for path in (root / "lab").rglob("*.py")
        if "partial.replace(" in path.read_text(encoding="utf-8")
    }
    assert found == elsewhere


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\x00", b'{"a": 1}', b"null"])
def test_what_cannot_be_understood_is_damaged(tmp_path: Path, content: bytes) -> None:
    """Empty, cut off, nested too deeply, binary, of other types."""
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=r"state\.json is damaged: "):
        statefile.read(path, Running)


def test_what_is_no_file_is_damaged(tmp_path: Path) -> None:
    """A directory, a pipe that nobody writes to, something huge; nothing is no damage."""
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(statefile.MAX_BYTES + 1)
    for name in ("directory", "pipe", "huge"):
        with pytest.raises(DamagedError):
            statefile.read(tmp_path / name, Running)
    assert statefile.read(tmp_path / "none", Running) is None
    assert statefile.read(tmp_path / "huge" / "none", Running) is None


def test_one_damaged_file_is_kept_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The next one replaces it, so that they do not fill the disk; the message says what is lost."""
    path = tmp_path / "state.json"
    for content in ("first", "second"):
        path.write_text(content)
        statefile.set_aside(path, "it is torn", lost="The options are forgotten.")
    path.mkdir()
    statefile.set_aside(path, "it is a directory")
    assert [p.name for p in tmp_path.iterdir()] == ["state.json.damaged"]
    assert f"{path} is damaged: it is torn. It is now state.json.damaged." in caplog.text
    assert "The options are forgotten." in caplog.text


def test_a_write_makes_room_for_itself(tmp_path: Path) -> None:
    """A directory where the file belongs, and a file where its directory belongs, are set aside."""
    (tmp_path / "drills").write_text("no directory")
    write_running(tmp_path)
    (tmp_path / "drills" / "running.json").unlink()
    (tmp_path / "drills" / "running.json").mkdir()
    (tmp_path / "drills" / "running.json.partial").mkdir()
    write_running(tmp_path)
    assert read_running(tmp_path) == "deadlocks"


def test_nothing_below_a_file_is_nothing_to_discard(tmp_path: Path) -> None:
    """As when a file stands where Prometheus has its directory."""
    (tmp_path / "prometheus").write_text("no directory")
    statefile.discard(tmp_path / "prometheus" / "etc")
    statefile.make_directory(tmp_path / "prometheus" / "etc")
    assert (tmp_path / "prometheus.damaged").read_text() == "no directory"


@pytest.mark.parametrize("name", FILES)
def test_a_write_after_a_killed_one_is_durable(tmp_path: Path, name: str) -> None:
    """The first one was killed between making a directory and its fsync: the second one makes up for it."""
    write, read = FILES[name]
    for step in range(8):
        state = tmp_path / f"state {step}"
        state.mkdir()
        disk = Disk(state)
        with pytest.raises(Killed), killed_at(step, disk):
            write(state)
        with killed_at(-1, disk):
            write(state)
        disk.lose_power(tmp_path / f"image {step}")
        assert read(tmp_path / f"image {step}"), step
        disk.close()
