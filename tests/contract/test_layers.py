"""The layers of lab/ hold: pyproject.toml declares them, and an import against them fails the check."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.cli.test import CHECKS
from lab.foundation.settings import ROOT

[LAYERS] = [check for check in CHECKS if check[0] == "lint-imports"]


def checked(root: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(LAYERS[0])
    return subprocess.run(
        [str(program), *LAYERS[1:]], cwd=root, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clone")
    shutil.copy(ROOT / "pyproject.toml", root)
    for package in ("lab", "workload"):
        shutil.copytree(
            ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return root


def test_the_tree_keeps_its_contracts(clone: Path) -> None:
    done = checked(clone)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "forbidden", "contract"),
    [
        ("lab/foundation/clock.py", "import lab.stack.mode", "lab/ is layered"),
        ("lab/cli/up.py", "import lab.console.rates", "lab/ is layered"),
        (
            "lab/stack/native/ports_of.py",
            "import lab.stack.docker.compose",
            "backends of the stack",
        ),
        ("lab/cli/logs.py", "import lab.stack.docker.backend", "which backend runs"),
        ("lab/judge/verdicts.py", "import lab.judge.collect", "Verdicts are computed"),
        ("lab/console/rates.py", "import rich.table", "write to a terminal"),
        ("lab/console/rates.py", "import lab.terminal.screen", "write to a terminal"),
        ("lab/verify/view.py", "import psycopg2", "through the driver"),
        ("workload/money.py", "import lab.foundation.clock", "workload does not know"),
        ("lab/telemetry/store/records.py", "import lab.telemetry.store.writer", "has a cycle"),
    ],
)
def test_an_import_against_them_fails_the_check(
    clone: Path, file: str, forbidden: str, contract: str
) -> None:
    """It is named with its line."""
    target = clone / file
    before = target.read_text(encoding="utf-8") if target.exists() else None
    target.write_text(f"{before or ''}\n{forbidden}\n", encoding="utf-8")
    try:
        done = checked(clone)
    finally:
        target.unlink() if before is None else target.write_text(before, encoding="utf-8")
    assert done.returncode == 1
    [broken] = [line for line in done.stdout.splitlines() if "BROKEN" in line and contract in line]
    assert broken
    assert file.removesuffix(".py").replace("/", ".").rpartition(".")[2] in done.stdout
