"""Files and modules that the documents name exist: a move of the source tree shows here."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.foundation.settings import ROOT

DOCUMENTS = sorted(
    [
        *(ROOT / "docs").rglob("*.md"),
        *(
            ROOT / name
            for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "grafana/README.md")
        ),
    ]
)
FOLDERS = "lab|workload|tests|prometheus|datadog|grafana|k8s|postgres|locks|docs"
# A path of the repository between backticks, or as an argument of a command.
PATH = re.compile(rf"(?<![\w./-])((?:{FOLDERS})/[\w./*-]*)")
MODULE = re.compile(r"(?:python -m|`)\s?((?:lab|workload|tests|grafana|k8s)\.[a-z_.]+)")
# Names that stand for any file of a kind.
PLACEHOLDER = re.compile(r"[A-Z]{3,}(?!\.md|[A-Z_]*\.md)")
# Names of images and charts, not of files.
OTHER = {"datadog/datadog-operator", "grafana/grafana"}


def named(text: str) -> Iterator[str]:
    """Yield each path of the repository that a text names, and each module as a path."""
    for code in re.findall(r"`[^`\n]+`|^ {4}.*$|\]\([^)\s]+\)", text, re.MULTILINE):
        for path in PATH.findall(code):
            if not PLACEHOLDER.search(path) and path not in OTHER:
                yield path.rstrip(".")
        for module in MODULE.findall(code):
            yield module.rstrip(".").replace(".", "/")


def exists(path: str) -> bool:
    """Whether a path, a pattern or a module is in the repository."""
    if "*" in path:
        return any(ROOT.glob(path))
    return any((ROOT / f"{path.rstrip('/')}{ending}").exists() for ending in ("", ".py"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    missing = {path for path in named(document.read_text(encoding="utf-8")) if not exists(path)}
    assert not missing


def test_a_missing_path_is_recognized() -> None:
    text = (
        "`lab/foundation/clock.py`, `lab/clock.py`, `python -m lab.console`, `python -m lab.gone`"
    )
    assert [path for path in named(text) if not exists(path)] == ["lab/clock.py", "lab/gone"]
