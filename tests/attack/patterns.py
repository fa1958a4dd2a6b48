"""Every regular expression of the product, and text that takes a backtracking engine quadratic time.

`python -m tests.attack.patterns 0` tries them and prints each before it is tried, so that the one that does
not end is the last line. Each meets all of its texts at 10 kB, and the two that took longest at 500 kB; with
`--all` all of them at 500 kB, which takes minutes. A number other than 0 is the one to begin with.
"""

import ast
import importlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from lab.console import jaeger
from lab.drilldown import ids
from lab.foundation.errors import LabError
from lab.foundation.settings import ROOT
from lab.telemetry.redact import comments, error_message, label, statement

SIZE, SMALL_SIZE = 500_000, 10_000
# Of the texts of one expression, tried at full size.
SLOWEST = 2
MANY = 20
# Reads PostgreSQL's own source, when a developer renews the message catalogue: no outside text.
TRUSTED = ROOT / "lab" / "telemetry" / "redact" / "generate.py"
REPEATS = {op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT}
METHODS: dict[str, Callable[[re.Pattern[str], str], object]] = {
    "match": lambda p, text: p.match(text),
    "fullmatch": lambda p, text: p.fullmatch(text),
    "search": lambda p, text: p.search(text),
    "findall": lambda p, text: p.findall(text),
    "finditer": lambda p, text: sum(1 for _ in p.finditer(text)),
    "sub": lambda p, text: p.sub("?", text),
    "split": lambda p, text: p.split(text),
}
GENERIC = ("a", "1", " ", "'", '"', "(", "a='", "/*", "$a", "1.", "a@")
CLASSES = {
    op.CATEGORY_DIGIT: "1", op.CATEGORY_SPACE: " ", op.CATEGORY_WORD: "a",
    op.CATEGORY_NOT_DIGIT: "a", op.CATEGORY_NOT_SPACE: "a", op.CATEGORY_NOT_WORD: "!",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Used:
    """An expression, and the methods by which the product uses it."""

    where: str
    pattern: re.Pattern[str]
    methods: frozenset[str]


def used() -> list[Used]:
    """Return every expression of lab/ and workload/; raises AssertionError for one that cannot be tried."""
    found: list[Used] = []
    files = [path for top in ("lab", "workload") for path in sorted((ROOT / top).rglob("*.py"))]
    files.remove(TRUSTED)
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in files}
    anywhere = {path: _methods(tree) for path, tree in trees.items()}
    for path, tree in trees.items():
        if not any(isinstance(n, ast.Attribute) and _is_re(n.value) for n in ast.walk(tree)):
            continue
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        module = importlib.import_module(dotted)
        known = [(k, p) for k, value in vars(module).items() for p in _within(value)]
        for name, pattern in known:
            methods = anywhere[path].get(name) or {
                m for each in anywhere.values() for m in each.get(name, ())
            }
            # One that is passed on as a value is used by the name of a variable.
            methods = methods or {
                m for each, read in anywhere[path].items() if each.islower() for m in read
            }
            assert methods, f"{dotted}.{name}: nothing uses it"
            found.append(_used(f"{dotted}.{name}", pattern, methods))
        for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
            found.extend(_inline(call, module, dotted, {p.pattern for _, p in known}))
    return found


def _within(value: object) -> Iterator[re.Pattern[str]]:
    """Yield the expressions in a value of a module, and in its containers."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, Mapping):
        yield from (p for part in value.values() for p in _within(part))
    elif isinstance(value, tuple | list | set | frozenset):
        yield from (p for part in value for p in _within(part))


def _is_re(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "re"


def _methods(tree: ast.AST) -> dict[str, set[str]]:
    """Return by name which methods are read of it: `NAME.search`, `module.NAME.search`."""
    methods: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS and not _is_re(node.value):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            methods.setdefault(name, set()).add(node.attr)
    return methods


def _inline(call: ast.Call, module: Any, dotted: str, known: set[str]) -> Iterator[Used]:
    if not (isinstance(call.func, ast.Attribute) and _is_re(call.func.value)):
        return
    method = call.func.attr
    if method not in {*METHODS, "compile"}:
        return
    where = f"{dotted}:{call.lineno}"
    expression = compile(ast.Expression(call.args[0]), where, "eval")
    pattern = eval(expression, vars(module))  # noqa: S307 - the product's own source
    if method == "compile":
        assert pattern in known, f"{where}: an expression that is no name of its module"
        return
    flags = [k.value for k in call.keywords if k.arg == "flags"]
    assert not flags, f"{where}: compile it, so that its flags are known here"
    yield _used(where, re.compile(pattern), {method})


def _used(where: str, pattern: re.Pattern[str], methods: set[str]) -> Used:
    return Used(where=where, pattern=pattern, methods=frozenset(methods))


def texts(pattern: re.Pattern[str]) -> set[str]:
    """Return units whose repetition is hard for this expression: pairs (prefix, unit), joined by a NUL."""
    tree = _parser.parse(pattern.pattern, pattern.flags)
    found = {f"\0{unit}" for unit in GENERIC}
    found |= {f"\0{_sample(tree)}", *(f"{a}\0{b}" for a, b in _pumps(tree, ""))}
    found |= {f"\0{a}{b}" for a, b in _pumps(tree, "") if a}
    return {each for each in found if each.partition("\0")[2]}


def hostile(pair: str, size: int = SIZE) -> str:
    """Return a text of `size` characters made from a pair, with an end that matches nothing."""
    prefix, _, unit = pair.partition("\0")
    return f"{prefix}{unit * (size // len(unit))}\x01"


def _sample(nodes: Any) -> str:
    return "".join(_sample_of(kind, value) for kind, value in nodes)


def _sample_of(kind: Any, value: Any) -> str:  # noqa: PLR0911 - one case for each kind of node
    if kind is op.LITERAL:
        return chr(value)
    if kind is op.NOT_LITERAL:
        return "a" if value != ord("a") else "b"
    if kind is op.ANY:
        return "a"
    if kind is op.IN:
        return _member(value)
    if kind in REPEATS:
        return _sample(value[2]) * int(min(value[0], MANY))
    if kind is op.SUBPATTERN:
        return _sample(value[3])
    if kind is op.ATOMIC_GROUP:
        return _sample(value)
    if kind is op.BRANCH:
        return _sample(value[1][0])
    return ""


def _member(members: Any) -> str:
    kind, value = members[0]
    if kind is op.NEGATE:
        refused = {chr(v) for k, v in members[1:] if k is op.LITERAL}
        return next(c for c in "a1 !x" if c not in refused)
    if kind is op.RANGE:
        return chr(value[0])
    return str(CLASSES[value]) if kind is op.CATEGORY else chr(value)


def _pumps(nodes: Any, before: str) -> Iterator[tuple[str, str]]:
    """Yield for each repetition what stands before it, and what it repeats."""
    for kind, value in nodes:
        inner: list[Any] = []
        if kind in REPEATS:
            if value[1] > MANY:
                yield from ((before, one) for one in _alternatives(value[2]))
            inner = [value[2]]
        elif kind is op.SUBPATTERN:
            inner = [value[3]]
        elif kind is op.ATOMIC_GROUP:
            inner = [value]
        elif kind is op.BRANCH:
            inner = list(value[1])
        for part in inner:
            yield from _pumps(part, before)
        before += _sample_of(kind, value)


def _alternatives(nodes: Any) -> Iterator[str]:
    for kind, value in nodes:
        if kind is op.BRANCH:
            yield from (_sample(branch) for branch in value[1])
        elif kind is op.SUBPATTERN:
            yield from _alternatives(value[3])
    yield _sample(nodes)


def _quietly(read: Callable[[str], object]) -> Callable[[str], object]:
    def tried(text: str) -> object:
        try:
            return read(text)
        except LabError:
            return None

    return tried


# What outside text meets as a whole, with its limits of length and the loops around its expressions.
FUNCTIONS: dict[str, Callable[[str], object]] = {
    "redact.statement": statement,
    "redact.comments": lambda text: comments([text]),
    "redact.error_message": lambda text: error_message(text, "22P02"),
    "redact.label": label,
    "jaeger duration": _quietly(jaeger._duration_ms),
    "ids.parse": _quietly(ids.parse),
}


def trials() -> Sequence[tuple[str, Callable[[], object]]]:
    """Return what is tried, by name, in a stable order."""
    found = [
        (f"{each.where} {method}", partial(_try, each.pattern, METHODS[method]))
        for each in used()
        for method in sorted(each.methods)
    ]
    return found + [(name, partial(_read, read)) for name, read in FUNCTIONS.items()]


def _try(pattern: re.Pattern[str], method: Callable[[re.Pattern[str], str], object]) -> None:
    _meet(partial(method, pattern), texts(pattern))


def _read(read: Callable[[str], object]) -> None:
    _meet(read, {f"\0{unit}" for unit in GENERIC})


def _meet(read: Callable[[str], object], pairs: set[str]) -> None:
    def seconds(pair: str) -> float:
        text, begun = hostile(pair, SMALL_SIZE), time.process_time()
        read(text)
        return time.process_time() - begun

    ranked = sorted(sorted(pairs), key=seconds, reverse=True)
    for pair in ranked if "--all" in sys.argv else ranked[:SLOWEST]:
        read(hostile(pair))


def main() -> None:
    """Try everything from a number on."""
    first = int(sys.argv[1])
    for number, (name, trial) in enumerate(trials()):
        if number >= first:
            print(number, name, flush=True)
            trial()
    print("done", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
