"""The published matrix: columns of all observers, rows of drills; recommendations name drills that it has."""

import re

import pytest

from lab.drills.catalogue import DRILLS
from lab.foundation.settings import ROOT
from lab.judge.evidence import TITLES

DOCS = ROOT / "docs"
# Seconds in three labs, the letters of all of them, and in brackets those of some.
CELL = re.compile(
    r"missed|not covered|unknown|-|\*\*\d+( to \d+)? s\*\*( S?C?P?T?)?( \(S?C?P?T?\))?"
)


def rows() -> dict[str, list[str]]:
    """The matrix by drill."""
    text = (DOCS / "blind-spots.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    head = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert head == ["drill", *TITLES.values()]
    found = (line.strip("|").split("|") for line in lines if line.startswith("| `"))
    return {cells[0].strip(" `"): [cell.strip() for cell in cells[1:]] for cells in found}


def test_the_matrix_has_each_drill_and_observer() -> None:
    assert list(rows()) == list(DRILLS)
    for drill, cells in rows().items():
        assert len(cells) == len(TITLES), drill
        assert all(map(CELL.fullmatch, cells)), drill


@pytest.mark.parametrize("page", ["compare.md", "pt-BR/comparacao.md"])
def test_a_recommendation_names_a_drill_of_the_matrix(page: str) -> None:
    """A sentence that recommends one stack rests on a cell, or on a question of compare."""
    text = (DOCS / page).read_text(encoding="utf-8")
    known = rows()
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", text)) & set(DRILLS)
    assert named
    assert named <= set(known)
