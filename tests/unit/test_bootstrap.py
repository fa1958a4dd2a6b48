"""What `./creditlab` does before the lab runs: stamps, an old Python, first calls."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from lab.bootstrap.environment import Environment
from lab.foundation.settings import ROOT

PARTS = ("bootstrap", "foundation")
ARGUMENTS = "print('arguments:', sys.argv[1:])"
FIRST_CALL_SECONDS = 120


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of the test's own."""
    return miniature(tmp_path)


@pytest.fixture(scope="module")
def used_clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which the tests of this module make a real environment, one after the other."""
    return miniature(tmp_path_factory.mktemp("used"))


def miniature(directory: Path) -> Path:
    """Make a clone of the real bootstrap, a lock that pins nothing and a lab that shows its arguments."""
    clone = directory / "my clône"
    (clone / "lab").mkdir(parents=True)
    (clone / "locks").mkdir()
    shutil.copy(ROOT / "creditlab", clone)
    for part in PARTS:
        shutil.copytree(ROOT / "lab" / part, clone / "lab" / part)
    shutil.copy(ROOT / "lab" / "__init__.py", clone / "lab")
    (clone / "lab" / "__main__.py").write_text(f"import sys\n{ARGUMENTS}\n")
    (clone / "locks" / "lab.txt").write_text("# nothing\n")
    return clone


def call(
    clone: Path,
    *arguments: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(clone / "creditlab"), *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=FIRST_CALL_SECONDS,
    )


def stamped(root: Path) -> Environment:
    """Return an environment that looks as if everything had been installed."""
    environment = Environment(root)
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(sys.executable)
    environment.stamp("lab").write_text(environment.expected_stamp("lab"), encoding="utf-8")
    return environment


def test_a_complete_environment_is_used_as_it_is(clone: Path) -> None:
    """A later call finds its stamp and prepares nothing."""
    assert stamped(clone).holds("lab")


def test_a_changed_lock_is_noticed(clone: Path) -> None:
    """After a pull that changes the lock, the next call installs it."""
    environment = stamped(clone)
    environment.lock("lab").write_text("other==1\n")
    assert not environment.holds("lab")


def test_a_moved_clone_is_noticed(clone: Path, tmp_path: Path) -> None:
    """The scripts of a virtual environment hold its path: one that was moved is made anew."""
    stamped(clone)
    clone.rename(tmp_path / "moved")
    assert not Environment(tmp_path / "moved").holds("lab")


def test_another_python_is_noticed(clone: Path) -> None:
    """After an upgrade of the system the environment's link may lead to another Python."""
    environment = stamped(clone)
    environment.python.unlink()
    environment.python.symlink_to("/usr/bin/env")
    assert not environment.holds("lab")


def test_an_installation_cut_short_is_noticed(clone: Path) -> None:
    """The mark that pip's work leaves while it is under way outweighs any stamp."""
    environment = stamped(clone)
    environment.unfinished.touch()
    assert not environment.holds("lab")


def test_the_entry_parses_under_any_python_3() -> None:
    """An old Python shows our message, not a syntax error."""
    ast.parse((ROOT / "creditlab").read_text(encoding="utf-8"), feature_version=(3, 0))


def test_an_old_python_gets_a_message() -> None:
    """Without a newer Python on the PATH the message says what is needed; exit status 2."""
    entry = str(ROOT / "creditlab")
    pretend = (
        "import sys; sys.version_info = (3, 9, 2); "
        f"sys.argv = [{entry!r}]; exec(compile(open({entry!r}).read(), {entry!r}, 'exec'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", pretend],
        env={**os.environ, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "needs Python 3.11 or newer; this is 3.9" in done.stderr
    assert "Traceback" not in done.stderr


def test_first_calls_prepare_once_and_hand_over(used_clone: Path, tmp_path: Path) -> None:
    """Two first calls at once, one through a link, from elsewhere: one prepares, both run the lab."""
    clone = used_clone
    link = tmp_path / "link"
    link.symlink_to(clone / "creditlab")
    other = subprocess.Popen(
        [sys.executable, str(link), "a b"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    done = call(clone, "up", "--load", "2", cwd=tmp_path)
    reported, warned = other.communicate(timeout=FIRST_CALL_SECONDS)
    assert done.stdout == "arguments: ['up', '--load', '2']\n", done.stderr
    assert reported == "arguments: ['a b']\n", f"{other.returncode}: {warned}"
    assert (done.stderr + warned).count("making .venv") == 1

    directory = clone / "elsewhere"
    (directory / "lab").mkdir(parents=True)
    (directory / "lab" / "__main__.py").write_text("raise SystemExit('the wrong lab')\n")
    later = call(clone, "status", cwd=directory)
    assert (later.stdout, later.stderr) == ("arguments: ['status']\n", "")


def test_a_failed_installation_is_one_error_and_harms_nothing(used_clone: Path) -> None:
    """The error shows pip's reason; the next call tries again, and what was installed before works."""
    lock = used_clone / "locks" / "lab.txt"
    before = lock.read_text()
    lock.write_text(f"no-such==1 --hash=sha256:{'0' * 64}\n")
    done = call(used_clone, "status", environment={"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""})
    assert done.returncode == 2
    assert "No matching distribution found for no-such==1" in done.stderr
    assert "Traceback" not in done.stderr
    assert not Environment(used_clone).holds("lab")
    lock.write_text(before)
    again = call(used_clone, "status")
    assert again.stdout == "arguments: ['status']\n", again.stderr


def test_a_broken_environment_is_made_anew(used_clone: Path) -> None:
    """When its Python has gone, the whole environment is remade."""
    (used_clone / ".venv" / "bin" / "python").unlink()
    remade = call(used_clone, "status")
    assert remade.stdout == "arguments: ['status']\n", remade.stderr
    assert "making .venv" in remade.stderr
