"""What the first call shows while pip installs: how many packages are done; and where it finds pip."""

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from lab.bootstrap import installation
from lab.bootstrap.installation import Progress

OUTPUT = (
    "Collecting psycopg2-binary==2.9.12 (from -r lab.txt)",
    "Requirement already satisfied: typer==0.27 in ./site-packages",
    "  Using cached x.whl",
    "Collecting rich==15",
    "Installing collected packages: psycopg2-binary, rich",
)


def written(*, live: bool, capsys: pytest.CaptureFixture[str]) -> list[str]:
    with Progress() as progress:
        progress.live = live
        progress.show("installing about 2 packages", total=2)
        for line in OUTPUT:
            progress.follow(line)
    text = capsys.readouterr().err
    return [line.strip() for line in text.replace("\r\x1b[K", "\n").splitlines() if line.strip()]


def test_a_terminal_shows_each_package_with_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    """More than were expected are counted, too."""
    first, *steps, last = written(live=True, capsys=capsys)
    assert first.startswith("Preparing Credit Lab")
    assert steps == [
        "installing about 2 packages",
        "[1/2] psycopg2-binary==2.9.12",
        "[2/2] typer==0.27",
        "[3/3] rich==15",
        "unpacking 2 packages",
    ]
    assert last == "Ready after 0 s"


def test_a_file_gets_the_steps_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert written(live=False, capsys=capsys)[1:-1] == [
        "installing about 2 packages", "unpacking 2 packages",
    ]  # fmt: skip


def test_a_failure_is_not_called_ready(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="x"), Progress():
        raise ValueError("x")
    assert "Ready" not in capsys.readouterr().err


def test_pip_is_pythons_own_or_debians(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own first; a Python without ensurepip, or with one that is no file, may have Debian's."""
    own, debians = (
        tmp_path / "ensurepip" / "_bundled" / "pip-26.whl",
        tmp_path / "debian" / "pip-25.whl",
    )
    for wheel in (own, debians):
        wheel.parent.mkdir(parents=True)
        wheel.touch()
    monkeypatch.setattr(installation, "DEBIAN_WHEELS", debians.parent)
    spec = ModuleSpec("ensurepip", None, origin=str(tmp_path / "ensurepip" / "__init__.py"))
    for found, expected in ((spec, own), (None, debians), (ModuleSpec("ensurepip", None), debians)):
        monkeypatch.setattr(installation, "find_spec", lambda _, found=found: found)
        assert installation._python_s_pip() == expected
    debians.unlink()
    assert installation._python_s_pip() is None
