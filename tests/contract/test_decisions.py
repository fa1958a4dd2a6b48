"""Each ADR states its status and date, and the index of docs/adr repeats both."""

import re
from datetime import date
from pathlib import Path

import pytest

from lab.foundation.settings import ROOT

FOLDER = ROOT / "docs" / "adr"
ADRS = sorted(FOLDER.glob("[0-9]*.md"))
TITLE = re.compile(
    r"\A# (\d+)\. (.+)\n\nStatus: (accepted|superseded|proposed)(.*?)\. Date: (\S+)\."
)
ROW = re.compile(r"^\| \[(\d+)\]\(([^)]+)\) \| ([^|]+) \| (\S+) \| (\w+)", re.MULTILINE)


@pytest.mark.parametrize("adr", ADRS, ids=lambda adr: adr.stem)
def test_an_adr_states_its_status_and_date_as_the_index_does(adr: Path) -> None:
    found = TITLE.search(adr.read_text(encoding="utf-8"))
    assert found, "expected: # N. Title, then: Status: accepted. Date: YYYY-MM-DD."
    number, title, status, _, day = found.groups()
    assert int(number) == int(adr.name[:4])
    assert date.fromisoformat(day)
    index = {row[1]: row for row in ROW.findall((FOLDER / "README.md").read_text(encoding="utf-8"))}
    assert index[adr.name] == (number, adr.name, title, day, status)


def test_numbers_are_used_once() -> None:
    assert [int(adr.name[:4]) for adr in ADRS] == list(range(1, len(ADRS) + 1))
