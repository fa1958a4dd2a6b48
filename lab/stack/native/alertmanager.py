"""Finds Alertmanager: the machine's, else Debian's, unpacked into `.lab/` and relocated.

Debian's program reads its templates from a fixed path in /usr/share. The relocated copy has in its place a
path of the same length below its working directory, so that nothing is installed and root is not needed.
"""

import shutil
import tempfile
from pathlib import Path

from lab.foundation.debian import fetch
from lab.foundation.errors import LabError
from lab.foundation.paths import PACKAGES
from lab.stack.native.binaries import MONITORING_RELEASES, Program, Say, first_fitting

# The program's name, of the project and of Debian.
NAMES = ("alertmanager", "prometheus-alertmanager")
AT_LEAST = (0, 26)
RELOCATED = PACKAGES / "alertmanager"
# Below the program's working directory; `provide_templates` puts them there.
TEMPLATES = "templates"
_FIXED = b"/usr/share/prometheus/alertmanager"


def present() -> bool:
    """Whether Alertmanager can be started without fetching it."""
    return RELOCATED.is_dir() or found() is not None


def found() -> Program | None:
    """Return the Alertmanager that can be used without fetching one."""
    return first_fitting(
        [*(Path(path) for name in NAMES if (path := shutil.which(name))), RELOCATED / NAMES[0]],
        _fits,
    )


def find(say: Say = lambda _: None) -> Program:
    """Return Alertmanager, fetched if this machine has none.

    Raises:
        LabError: when it is neither installed nor can be fetched, or does not run on this machine.
    """
    if program := found():
        return program
    for release in MONITORING_RELEASES:
        root = fetch_alertmanager(release, say)
        # A binary for a newer C library than this machine's does not start.
        if first_fitting([root / "usr" / "bin" / NAMES[1]], _fits):
            relocate(root, RELOCATED)
            if program := found():
                return program
    raise LabError(
        f"Alertmanager of Debian {', '.join(MONITORING_RELEASES)} does not run on this machine.\n"
        f"Install Alertmanager {'.'.join(map(str, AT_LEAST))} or newer, and put it on the PATH."
    )


def fetch_alertmanager(release: str, say: Say = lambda _: None) -> Path:
    """Unpack Alertmanager and amtool of one Debian release; return their root.

    Raises:
        LabError: when they cannot be fetched.
    """
    packages = ("prometheus-alertmanager",)
    return fetch(packages, release=release, into=PACKAGES / f"alertmanager-{release}", say=say)


def relocate(root: Path, into: Path) -> None:
    """Copy program, amtool and templates of an unpacked package into a directory that appears complete.

    Raises:
        LabError: when the program does not contain the path of its templates.
    """
    code = (root / "usr" / "bin" / NAMES[1]).read_bytes()
    if _FIXED not in code:
        raise LabError(
            f"{root} has an Alertmanager that does not read {_FIXED.decode()}, as Debian's does.\n"
            f"Install Alertmanager {'.'.join(map(str, AT_LEAST))} or newer, and put it on the PATH."
        )
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=".relocate-") as directory:
        new = Path(directory) / into.name
        new.mkdir()
        program = new / NAMES[0]
        program.write_bytes(code.replace(_FIXED, _relative(len(_FIXED))))
        program.chmod(0o755)
        shutil.copy(root / "usr" / "bin" / "amtool", new)
        shutil.copytree(root / _FIXED.decode().removeprefix("/"), new / TEMPLATES)
        try:
            new.rename(into)
        except OSError:
            # Another `up` was faster.
            if not into.is_dir():
                raise


def provide_templates(program: Program, directory: Path) -> None:
    """Copy the templates of a relocated program into its working directory; others have their own."""
    if (source := program.beside(TEMPLATES)).is_dir():
        shutil.copytree(source, directory / TEMPLATES, dirs_exist_ok=True)


def _fits(version: tuple[int, ...]) -> bool:
    return version >= AT_LEAST


def _relative(length: int) -> bytes:
    """Return the path of the templates below the working directory, in exactly so many bytes.

    >>> _relative(15)
    b'./////templates'
    """
    return b"." + TEMPLATES.encode().rjust(length - 1, b"/")
