"""The environment that the first call creates: its contents, when it is created again, errors of pip."""

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from lab.bootstrap import entry, installation
from lab.bootstrap.environment import Environment
from lab.bootstrap.installation import prepare
from lab.foundation.errors import LabError
from lab.foundation.readiness import await_state

WITHIN_S = 120
# Programs in the place of the environment's Python: what pip prints, and its exit status.
PIP = """#!/bin/sh
echo "$@" > "$(dirname "$0")/../arguments"
cat <<'END'
{output}
END
exit {status}
"""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A clone whose lock pins nothing; its name has a blank and a letter beyond ASCII."""
    root = tmp_path / "my clône"
    (root / "locks").mkdir(parents=True)
    (root / "locks" / "lab.txt").write_text("# nothing\n")
    (root / "locks" / "dev.txt").write_text("# nothing more\n")
    (root / "only_of_this_clone.py").write_text("")
    return Environment(root)


def installer(environment: Environment) -> installation._Installer:
    return installation._Installer(environment, installation.Progress())


def with_pip(environment: Environment, output: str, status: int) -> installation._Installer:
    environment.python.parent.mkdir(parents=True)
    environment.python.write_text(PIP.format(output=output, status=status))
    environment.python.chmod(0o755)
    return installer(environment)


def test_the_first_call_creates_an_environment_that_finds_the_clone(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    """With pip, a stamp, and no marker; a second lock is added to it, and a third call does nothing."""
    prepare(environment, "lab")
    assert environment.holds("lab")
    assert not environment.holds("dev")
    assert not environment.unfinished.exists()
    program = "import pip, only_of_this_clone, sys; print(sys.prefix)"
    done = subprocess.run(
        [environment.python, "-c", program], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout.strip() == str(environment.directory)
    shown = capsys.readouterr().err.splitlines()
    assert shown[:3] == [
        "Preparing Credit Lab in .venv; needed only once",
        "  making .venv",
        "  installing about 0 packages of locks/lab.txt",
    ]
    prepare(environment, "dev")
    assert environment.holds("lab")
    assert environment.holds("dev")
    assert "making .venv" not in capsys.readouterr().err
    prepare(environment, "dev")
    assert capsys.readouterr().err == ""
    (environment.directory / "of before").touch()
    environment.unfinished.touch()
    prepare(environment, "lab")
    assert "making .venv" in capsys.readouterr().err
    assert not (environment.directory / "of before").exists()
    assert environment.holds("lab")
    assert not environment.holds("dev")


def test_an_environment_is_sound_with_its_own_python_and_pip(environment: Environment) -> None:
    """Not when an installation was interrupted, the clone moved, or pip cannot be imported."""
    assert not installer(environment).is_sound()
    sound = with_pip(environment, "", 0)
    assert sound.is_sound()
    environment.stamp("lab").write_text(f"hash\n{environment.place()}", encoding="utf-8")
    assert sound.is_sound()
    environment.stamp("dev").write_text("hash\n/other/python\n/elsewhere\n", encoding="utf-8")
    assert not sound.is_sound()
    environment.stamp("dev").unlink()
    environment.unfinished.touch()
    assert not sound.is_sound()
    environment.unfinished.unlink()
    environment.python.write_text("#!/bin/sh\nexit 1\n")
    assert not sound.is_sound()
    environment.python.chmod(0o600)
    assert not sound.is_sound()


def test_pip_installs_exactly_what_the_lock_pins(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.lock("lab").write_text("a==1 --hash=x\nb==2 --hash=y\n")
    with_pip(environment, "Collecting a==1\nInstalling collected packages: a, b", 0).install("lab")
    arguments = (environment.directory / "arguments").read_text().split()
    assert arguments[:3] == ["-m", "pip", "install"]
    assert {"--require-hashes", "--no-deps", "--only-binary=:all:", "--no-input"} <= {*arguments}
    assert arguments[-3] == "-r"
    assert (environment.root / "locks" / "lab.txt").samefile(" ".join(arguments[-2:]))
    assert "installing about 2 packages of locks/lab.txt" in capsys.readouterr().err
    # Until the stamp is written, another call must not take it for complete.
    assert environment.unfinished.exists()


def test_an_error_of_pip_has_its_last_reasons_and_the_next_step(environment: Environment) -> None:
    """The marker is there only when pip has begun to change the environment."""
    output = "Collecting a\n" + "\n".join(f"ERROR: reason {n}" for n in range(1, 7)) + "\nmore"
    with pytest.raises(LabError) as raised:
        with_pip(environment, output, 1).install("lab")
    assert str(raised.value).splitlines() == [
        f"pip could not install what the lab needs into {environment.directory}:",
        *(f"  ERROR: reason {number}" for number in (3, 4, 5, 6)),
        "Check the network and the free disk space, and run the command again.",
    ]
    assert not environment.unfinished.exists()


def test_an_error_without_reasons_has_pips_last_lines(environment: Environment) -> None:
    with pytest.raises(LabError, match=r"(?s)one\n  two\n  three\n  four\nCheck the network"):
        with_pip(environment, "zero\none\ntwo\nthree\nfour", 2).install("lab")


def test_a_second_call_waits_for_the_first(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, and finds everything complete."""
    (environment.root / ".lab").mkdir()
    with (environment.root / ".lab" / "venv.lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = threading.Thread(target=prepare, args=(environment, "lab"))
        second.start()
        shown = ""

        def silent() -> str | None:
            nonlocal shown
            shown += capsys.readouterr().err
            return None if "waiting for another call that is preparing .venv" in shown else shown

        await_state("the second call waits", silent, within_s=WITHIN_S)
        environment.python.parent.mkdir(parents=True)
        environment.python.symlink_to(sys.executable)
        environment.stamp("lab").write_text(environment.expected_stamp("lab"), encoding="utf-8")
    second.join(WITHIN_S)
    assert not second.is_alive()
    assert "Preparing" not in capsys.readouterr().err


def test_certificates_are_brought_to_a_pip_that_reads_the_systems(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bundle of all in the package; a pip with its own certificates stays as it is."""
    package = tmp_path / "package"
    certificates = package / "usr" / "share" / "ca-certificates" / "mozilla"
    certificates.mkdir(parents=True)
    for name in ("b", "a"):
        (certificates / f"{name}.crt").write_text(f"certificate {name}\n")
    fetched: list[tuple[str, ...]] = []

    def fetch(packages: tuple[str, ...], **_: object) -> Path:
        fetched.append(packages)
        return package

    monkeypatch.setattr(installation, "fetch", fetch)
    packages = environment.directory / "lib" / "python3.11" / "site-packages"
    core = packages / "pip" / "_vendor" / "certifi" / "core.py"
    core.parent.mkdir(parents=True)
    core.write_text("where = 'certifi/cacert.pem'\n")
    installer(environment)._bring_certificates()
    assert fetched == []
    core.write_text(f"where = '{installation.SYSTEM_CERTIFICATES}'\n")
    installer(environment)._bring_certificates()
    assert fetched == [("ca-certificates",)]
    found: dict[str, str] = {}
    exec(core.read_text(encoding="utf-8"), found)  # noqa: S102 - a file that this test wrote
    assert Path(found["where"]).read_text() == "certificate a\ncertificate b\n"


class Executed(Exception):  # noqa: N818 - stands for the end of the process
    """The process would run another program now."""


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The program's arguments that the entry executes."""
    found: list[str] = []

    def execute(program: str, arguments: list[str]) -> NoReturn:
        found.extend([program, *arguments])
        raise Executed

    monkeypatch.setattr(os, "execv", execute)
    return found


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize(
    ("command", "lock"), [(["test", "x"], "dev"), (["up"], "lab"), ([], "lab")]
)
def test_the_entry_prepares_the_lock_of_the_command(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, command: list[str], lock: str
) -> None:
    """Only `test` needs the tools of development; with a valid stamp nothing is prepared."""
    prepared: list[str] = []

    def stamp(into: Environment, name: str) -> None:
        prepared.append(name)
        into.directory.mkdir(exist_ok=True)
        into.stamp(name).write_text(into.expected_stamp(name), encoding="utf-8")

    monkeypatch.setattr(installation, "prepare", stamp)
    for _ in range(2):
        with pytest.raises(Executed):
            entry.main(str(environment.root), command)
    assert prepared == [lock]


def test_the_entry_executes_the_lab_with_the_arguments(
    environment: Environment, executed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a directory named lab of the caller's working directory."""
    monkeypatch.setattr(installation, "prepare", lambda *_: None)
    with pytest.raises(Executed):
        entry.main(str(environment.root), ["up", "--load", "2"])
    python = str(environment.python)
    assert executed == [python, python, "-P", "-m", "lab", "up", "--load", "2"]


ENDS = {
    "an error": (LabError("no network"), 2, "creditlab: no network\n"),
    "a full disk": (OSError(28, "No space left"), 2, "creditlab: [Errno 28] No space left\n"),
    "Ctrl-C": (
        KeyboardInterrupt(), 130, "\ncreditlab: interrupted; the next call continues.\n"
    ),
}  # fmt: skip


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("end", ENDS)
def test_the_entry_ends_with_one_message(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], end: str
) -> None:  # fmt: skip
    error, status, shown = ENDS[end]

    def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(installation, "prepare", fail)
    with pytest.raises(SystemExit) as raised:
        entry.main(str(environment.root), ["up"])
    assert raised.value.code == status
    assert capsys.readouterr().err == shown
