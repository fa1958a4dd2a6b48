"""Mutants that a person has looked at and found to be without an effect that anybody could observe.

equivalent.toml names each by its file and its line before and after, with the reason: it does not count as
one that nobody noticed. tests/contract/test_mutation_review.py finds entries whose line is gone.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from lab.foundation.settings import ROOT

LIST = Path(__file__).with_name("equivalent.toml")


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """One entry; lines are without their indentation, and an empty `after` is a deleted statement."""

    file: str
    before: str
    after: str
    reason: str

    def is_in(self, root: Path = ROOT) -> bool:
        """Whether the file still has the line."""
        path = root / self.file
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        return self.before in {line.strip() for line in lines}


def reviewed() -> list[Reviewed]:
    """Return all entries.

    Raises:
        TypeError: when an entry lacks a key, or has another one.
    """
    entries = tomllib.loads(LIST.read_text(encoding="utf-8")).get("mutant", [])
    return [Reviewed(**entry) for entry in entries]


def reason(file: str, before: str, after: str) -> str | None:
    """Return why a mutant is equivalent; None when nobody has found it to be."""
    return next(
        (
            each.reason
            for each in reviewed()
            if (each.file, each.before, " ".join(each.after.split()))
            == (file, before, " ".join(after.split()))
        ),
        None,
    )
