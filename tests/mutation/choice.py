"""Which tests a mutant is tried by: those that run its line, or what the line defines."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lab.foundation.settings import ROOT
from tests.mutation.reach import FOLDERS, Reach
from tests.mutation.sample import Mutant

STATEMENT_NAME = re.compile(r"^-- name: (\w+)", re.MULTILINE)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Chooses from what was recorded, as many tests as fit into a number of seconds."""

    reach: Reach
    limit_s: float
    root: Path = ROOT
    _trees: dict[str, ast.Module] = field(default_factory=dict)

    def tests(self, mutant: Mutant) -> list[str]:
        """Return the tests, those of quick files first; a file's tests share what its fixtures start."""
        found = self._of_sql(mutant) if mutant.file.endswith(".sql") else self._of_python(mutant)
        seconds: defaultdict[str, float] = defaultdict(float)
        for test in found:
            seconds[test.partition("::")[0]] += self.reach.seconds[test]

        def order(test: str) -> tuple[bool, float, str]:
            file = test.partition("::")[0]
            return not file.startswith("tests/unit/"), seconds[file], file

        chosen, left = [], self.limit_s
        for test in sorted(sorted(found, key=self.reach.seconds.__getitem__), key=order):
            if self.reach.seconds[test] <= left:
                chosen.append(test)
                left -= self.reach.seconds[test]
        return chosen

    def _of_python(self, mutant: Mutant) -> frozenset[str]:
        statement, in_function = self._statement(mutant.file, mutant.line)
        lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
        if in_function:
            # What was written since the record is tried by the tests of its file.
            known = self.reach.knows(mutant.file, lines)
            return self.reach.tests(mutant.file, lines) if known else self._near(mutant.file)
        # It runs at import, once: what matters is who uses its name.
        named = _names(statement)
        users = [
            found
            for name in named
            for file in self._files
            for found in self._mentions(file, rf"\b{re.escape(name)}\b")
            if file == mutant.file or self._imports(file, mutant.file)
        ]
        tests: frozenset[str] = frozenset().union(*users)
        # A lambda in it, or a default of a class.
        own = self.reach.tests(mutant.file, lines)
        return tests | own or self._near(mutant.file)

    def _of_sql(self, mutant: Mutant) -> frozenset[str]:
        text = "\n".join(
            (self.root / mutant.file).read_text(encoding="utf-8").split("\n")[: mutant.line]
        )
        names = STATEMENT_NAME.findall(text)
        if names:
            pattern = rf"[\"']{names[-1]}[\"']"
            users = [found for file in self._files for found in self._mentions(file, pattern)]
            if tests := frozenset[str]().union(*users):
                return tests
        return self._near(mutant.file)

    def _near(self, file: str) -> frozenset[str]:
        """Return the tests of the file, else of its folder."""
        if tests := self.reach.all_tests(file):
            return tests
        folder = file.rpartition("/")[0]
        return frozenset().union(
            *(self.reach.all_tests(each) for each in self._files if each.startswith(f"{folder}/"))
        )

    @cached_property
    def _files(self) -> list[str]:
        return [
            path.relative_to(self.root).as_posix()
            for folder in FOLDERS
            for path in sorted((self.root / folder).rglob("*.py"))
        ]

    def _mentions(self, file: str, pattern: str) -> Iterator[frozenset[str]]:
        """Yield the tests of each function's statement in a file that mentions something."""
        for number, text in enumerate(self._text(file), start=1):
            if re.search(pattern, text):
                statement, in_function = self._statement(file, number)
                if in_function:
                    last = statement.end_lineno or statement.lineno
                    yield self.reach.tests(file, range(statement.lineno, last + 1))

    def _text(self, file: str) -> Sequence[str]:
        return (self.root / file).read_text(encoding="utf-8").split("\n")

    def _imports(self, file: str, imported: str) -> bool:
        name = imported.removesuffix(".py").removesuffix("/__init__").rpartition("/")[2]
        return any(
            re.search(rf"import\b.*\b{name}\b|from [\w.]*\b{name}\b", line)
            for line in self._text(file)
        )

    def _statement(self, file: str, line: int) -> tuple[ast.stmt, bool]:
        """Return the innermost statement of a line, and whether it is in a function."""
        if file not in self._trees:
            self._trees[file] = ast.parse("\n".join(self._text(file)))
        node: ast.AST = self._trees[file]
        found, in_function = None, False
        while True:
            inner = [n for n in ast.iter_child_nodes(node) if _holds(n, line)]
            if not inner:
                break
            node = inner[0]
            if isinstance(node, ast.stmt):
                if found is not None and isinstance(found, DEFINITIONS) and node in found.body:
                    in_function = True
                found = node
        if found is None:
            found = self._trees[file].body[0]
        return _head(found, line), in_function


def _holds(node: ast.AST, line: int) -> bool:
    first = getattr(node, "lineno", None)
    return first is not None and first <= line <= (getattr(node, "end_lineno", None) or first)


def _head(statement: ast.stmt, line: int) -> ast.stmt:
    """Of a statement with a body, such as an `if`, only its first lines are meant."""
    body = getattr(statement, "body", None)
    if not body or line >= body[0].lineno:
        return statement
    return ast.copy_location(
        ast.Pass(),
        ast.Pass(lineno=statement.lineno, end_lineno=max(line, body[0].lineno - 1), col_offset=0),
    )


def _names(statement: ast.stmt) -> list[str]:
    """Return what a statement of a module or class defines.

    >>> _names(ast.parse("A = B = 1").body[0]), _names(ast.parse("class C: pass").body[0])
    (['A', 'B'], ['C'])
    """
    targets: list[ast.expr] = []
    match statement:
        case ast.Assign():
            targets = statement.targets
        case ast.AnnAssign():
            targets = [statement.target]
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return [statement.name]
    return [
        each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)
    ]
