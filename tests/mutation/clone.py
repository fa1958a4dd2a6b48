"""A copy of the working tree with a virtual environment of its own: where mutants are made and tested.

Nothing is changed in place: an interrupted run leaves the working tree as it was. The copy's Python finds the
copied packages before any others, also in the processes that tests start.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.bootstrap.environment import Environment
from lab.foundation.settings import ROOT

LOCKS = ("lab", "dev")


@dataclass(frozen=True, kw_only=True)
class Clone:
    """A copied tree; `python` is the interpreter that its tests run with."""

    root: Path
    python: Path

    def site_packages(self) -> Path:
        """Return the directory of the environment in which .pth files are read."""
        return next((self.root / ".venv" / "lib").glob("python3*/site-packages"))

    def environment(self, **more: str) -> dict[str, str]:
        """Return the caller's environment without what leads Python elsewhere."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COVERAGE_"))}
        return {**kept, **more}


@contextmanager
def cloned() -> Iterator[Clone]:
    """Copy the files that git knows or would add, and remove the copy afterwards."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as directory:
        root = Path(directory).resolve() / "tree"
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode()
        for name in filter(None, names.split("\0")):
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name, follow_symlinks=False)
        # PostgreSQL's user must be able to enter it.
        Path(directory).chmod(0o755)
        (root / ".lab").mkdir()
        (root / ".lab" / "packages").symlink_to(ROOT / ".lab" / "packages")
        yield _with_environment(root)


def _with_environment(root: Path) -> Clone:
    venv.EnvBuilder(with_pip=False, symlinks=True).create(root / ".venv")
    clone = Clone(root=root, python=root / ".venv" / "bin" / "python")
    packages = [path for path in sys.path if path.endswith("site-packages")]
    packages = packages or [sysconfig.get_path("purelib")]
    # A .pth file that is found through another one is not read: the clone that installed them stays out.
    lines = [str(root), *packages]
    (clone.site_packages() / "credit-lab.pth").write_text("\n".join(lines), encoding="utf-8")
    prepared = Environment(root)
    for lock in LOCKS:
        prepared.stamp(lock).write_text(prepared.expected_stamp(lock), encoding="utf-8")
    return clone
