"""Output in encodings that lack the marks of the tables: every character that fits, and no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.foundation.settings import ROOT

ENCODINGS = (
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "cp1252:strict"},
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
)


def run(
    state: Path, encoding: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[bytes]:
    kept = {k: v for k, v in os.environ.items() if k not in {"LC_ALL", "LANG", "PYTHONIOENCODING"}}
    own = {"LAB_STATE_DIR": str(state), "DOCKER_HOST": f"unix://{state}/no-engine"}
    return subprocess.run(
        [sys.executable, "-P", "-m", "lab", *arguments],
        cwd=ROOT,
        env={**kept, **own, **encoding},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda e: "-".join(e.values()))
def test_no_encoding_of_the_output_is_a_traceback(tmp_path: Path, encoding: dict[str, str]) -> None:
    done = run(tmp_path / "state", encoding, "status")
    assert (done.returncode, b"Traceback" in done.stderr) == (1, False), done.stderr
    assert b"postgres_exporter" in done.stdout


def test_json_is_whole_in_any_encoding(tmp_path: Path) -> None:
    """What Latin-1 lacks is escaped, not replaced: a program reads the same document."""
    plain = run(tmp_path / "state", {"PYTHONIOENCODING": "utf-8"}, "drill", "list", "--json")
    narrow = run(tmp_path / "state", {"PYTHONIOENCODING": "ascii"}, "drill", "list", "--json")
    assert json.loads(narrow.stdout) == json.loads(plain.stdout)
