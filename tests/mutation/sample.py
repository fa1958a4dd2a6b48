"""Every mutant that there is, and a seeded sample of them: by kind first, then any of that kind."""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from lab.foundation.settings import ROOT
from tests.mutation import sql
from tests.mutation.operators import OPERATORS, SHARES, Operator
from tests.mutation.reach import FOLDERS


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A changed file: `file` from the root of the tree, the line it is changed at, its whole new text."""

    kind: str
    file: str
    line: int
    before: str
    after: str
    text: str

    def __str__(self) -> str:
        """The place, and the line before and after, as a reviewer reads it."""
        return f"{self.file}:{self.line} ({self.kind})\n    - {self.before}\n    + {self.after or 'pass'}"


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a mutant can be made: the operator and its how manieth place in the file, or a change of text."""

    file: str
    line: int
    operator: Operator | None = None
    occurrence: int = 0
    change: sql.Change | None = None


def drawn(seed: int, size: int, *, only: str = "", root: Path = ROOT) -> list[Mutant]:
    """Return a sample of files whose path begins with `only`; the same for the same seed and files.

    Kinds are drawn by their shares, so that rare ones, such as query texts, are in it.
    """
    places = {
        kind: [place for place in found if place.file.startswith(only)]
        for kind, found in _places(root).items()
    }
    chance = random.Random(seed)
    kinds = sorted(kind for kind in places if places[kind])
    for kind in kinds:
        chance.shuffle(places[kind])
    sample: list[Mutant] = []
    while len(sample) < size and any(places.values()):
        [kind] = chance.choices(kinds, [SHARES[kind] for kind in kinds])
        if places[kind] and (mutant := _made(root, kind, places[kind].pop())):
            sample.append(mutant)
    return sample


def _places(root: Path) -> dict[str, list[_Place]]:
    found: defaultdict[str, list[_Place]] = defaultdict(list)
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            file = path.relative_to(root).as_posix()
            if path.suffix == ".py":
                nodes = [*ast_nodes(get_ast(path.read_text(encoding="utf-8")))]
                for kind, operators in OPERATORS.items():
                    found[kind] += [p for o in operators for p in _of_operator(file, o, nodes)]
                found["query"] += _of_strings(file, path.read_text(encoding="utf-8"), nodes)
            elif path.suffix == ".sql":
                text = path.read_text(encoding="utf-8")
                found["query"] += [_of_text(file, text, change) for change in sql.changes(text)]
    return found


def _of_operator(file: str, operator: Operator, nodes: Sequence[Any]) -> Iterator[_Place]:
    occurrence = 0
    for node in nodes:
        for (line, _), _ in operator.mutation_positions(node):
            yield _Place(file=file, line=line, operator=operator, occurrence=occurrence)
            occurrence += 1


def _of_strings(file: str, text: str, nodes: Sequence[Any]) -> Iterator[_Place]:
    starts = [0]
    for each in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(each))
    for node in nodes:
        of_text = node.type in {"string", "fstring_string"}
        if not of_text or node.parent.type == "simple_stmt" or not sql.is_query(node.value):
            continue
        line, column = node.start_pos
        begin = starts[line - 1] + column
        for change in sql.changes(node.value):
            moved = sql.Change(
                begin=begin + change.begin,
                end=begin + change.end,
                replacement=change.replacement,
            )
            yield _of_text(file, text, moved)


def _of_text(file: str, text: str, change: sql.Change) -> _Place:
    return _Place(file=file, line=text.count("\n", 0, change.begin) + 1, change=change)


def _made(root: Path, kind: str, place: _Place) -> Mutant | None:
    """Return the mutant of a place; None when it is the same program or none at all."""
    text = (root / place.file).read_text(encoding="utf-8")
    if place.change:
        new = f"{text[: place.change.begin]}{place.change.replacement}{text[place.change.end :]}"
    else:
        changed: str | None = mutate_code(text, place.operator, place.occurrence)
        new = changed or text
    if new == text or (place.file.endswith(".py") and not _compiles(new)):
        return None
    before, after = text.splitlines(), new.splitlines()
    index = next(i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b)
    return Mutant(
        kind=kind,
        file=place.file,
        line=index + 1,
        before=before[index].strip(),
        after=after[index].strip(),
        text=new,
    )


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def count(root: Path = ROOT) -> Mapping[str, int]:
    """Return how many places there are, by kind."""
    return {kind: len(places) for kind, places in _places(root).items()}
