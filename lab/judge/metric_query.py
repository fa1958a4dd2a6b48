"""Parses queries of Datadog's metrics: the documented subset that the lab's monitors and signals use.

    sum:postgresql.deadlocks.count{host:x AND db IN (a,b)} by {db}.as_count()
    clamp_max(sum:a{*} by {app}, 1) * max:b{*} by {app} - 0.1 * (sum:c{*} by {app} + 2)

Aggregators avg, sum, min, max; scopes with AND or commas, IN, NOT IN, NOT, and * in values; `by`; as_count();
+ - * / with parentheses and numbers; clamp_min, clamp_max, default_zero. Everything else is refused by name:
a query is never evaluated differently from what it says. docs/datadog.md documents the subset.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TypeAlias

from lab.foundation.errors import LabError

AGGREGATORS = ("avg", "sum", "min", "max")
# Functions, and the numbers that they take after the query.
FUNCTIONS = {"clamp_min": 1, "clamp_max": 1, "default_zero": 0}
TOKEN = re.compile(
    r"\s*(?:(?P<metric>[a-z]+:[\w.]+\{)|(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>[-+*/(),.{}]))"
)
BY = re.compile(r"\s*by\s*\{([^{}]*)\}")
METHOD = re.compile(r"\.([a-z_]+)\(([^()]*)\)")
IN = re.compile(r"(?P<key>[\w.-]+)\s+(?P<no>NOT\s+)?IN\s*\((?P<values>[^()]*)\)")
TAG = re.compile(r"(?P<no>NOT\s+|!)?(?P<key>[\w.-]+):(?P<values>[\w.*/-]+)")
JOINED = re.compile(r"\s*+,|\s++AND\s")
KEY = re.compile(r"[\w.-]+")


class UnsupportedQueryError(LabError):
    """The query is outside of the subset of Datadog's query language that the lab evaluates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """A tag whose value is one of `values`, in which * stands for any text; or is none of them."""

    key: str
    values: tuple[str, ...]
    negated: bool = False

    def holds(self, value: str | None) -> bool:
        """Whether a series with this value of the tag, or without the tag (None), is selected."""
        found = value is not None and any(fnmatchcase(value, pattern) for pattern in self.values)
        return found is not self.negated


@dataclass(frozen=True, kw_only=True, slots=True)
class Select:
    """The series of a metric, aggregated by groups of tags."""

    aggregator: str
    metric: str
    scope: tuple[Condition, ...]
    by: tuple[str, ...] = ()
    as_count: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A function of an expression, with its number, if it takes one."""

    name: str
    argument: "Expression"
    number: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """Two expressions and one of + - * /."""

    sign: str
    left: "Expression"
    right: "Expression"


Expression: TypeAlias = Select | Function | Operation | float


@lru_cache(maxsize=512)
def parse(query: str) -> Expression:
    """Return the expression of a query.

    Raises:
        UnsupportedQueryError: the message names the part that is outside of the subset.
    """
    parser = _Parser(query)
    expression = parser.sum()
    parser.end()
    return expression


def selects(expression: Expression) -> tuple[Select, ...]:
    """Return the selections of series in an expression."""
    match expression:
        case Select():
            return (expression,)
        case Function():
            return selects(expression.argument)
        case Operation():
            return selects(expression.left) + selects(expression.right)
        case _:
            return ()


def normalized(value: str) -> str:
    """Return a tag's value as Datadog stores it: lower case, other characters as underscores."""
    return re.sub(r"[^\w./:*-]", "_", value.lower())


class _Parser:
    """Recursive descent over one query; the depth is bounded by its length."""

    MOST = 2_000

    def __init__(self, query: str) -> None:
        if len(query) > self.MOST:
            raise UnsupportedQueryError(f"a query of {len(query)} characters; {self.MOST} at most")
        self._query = query
        self._at = 0

    def end(self) -> None:
        """Require that nothing follows."""
        if rest := self._query[self._at :].strip():
            raise UnsupportedQueryError(f"unsupported: {rest[:60]}")

    def sum(self) -> Expression:
        """A product, or several with + and -."""
        left = self._product()
        while sign := self._accept("+", "-"):
            left = _operation(sign, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._factor()
        while sign := self._accept("*", "/"):
            left = _operation(sign, left, self._factor())
        return left

    def _factor(self) -> Expression:
        found = TOKEN.match(self._query, self._at)
        if found is None:
            raise UnsupportedQueryError(
                f"unsupported: {self._query[self._at :].strip()[:60] or 'the end'}"
            )
        if found["metric"]:
            return self._select(found)
        self._at = found.end()
        if found["number"]:
            return float(found["number"])
        if found["sign"] == "(":
            inner = self.sum()
            self._expect(")")
            return inner
        return self._function(found["name"] or found["sign"])

    def _function(self, name: str) -> Function:
        if name not in FUNCTIONS or not self._accept("("):
            raise UnsupportedQueryError(f"unsupported function: {name}")
        argument, number = self.sum(), None
        if FUNCTIONS[name]:
            self._expect(",")
            sign = -1.0 if self._accept("-") else 1.0
            value = self._factor()
            if not isinstance(value, float):
                raise UnsupportedQueryError(f"{name} needs a number as its second argument")
            number = sign * value
        self._expect(")")
        return Function(name=name, argument=argument, number=number)

    def _select(self, found: re.Match[str]) -> Select:
        aggregator, metric = found["metric"].rstrip("{").split(":")
        if aggregator not in AGGREGATORS:
            raise UnsupportedQueryError(f"unsupported aggregator: {aggregator}")
        end = self._query.find("}", found.end())
        if end < 0:
            raise UnsupportedQueryError(f"the scope of {metric} has no end")
        scope = _scope(self._query[found.end() : end])
        self._at = end + 1
        by: tuple[str, ...] = ()
        if grouped := BY.match(self._query, self._at):
            self._at = grouped.end()
            by = tuple(key.strip() for key in grouped[1].split(","))
            if not all(map(KEY.fullmatch, by)):
                raise UnsupportedQueryError(f"unsupported grouping: {grouped[1]}")
        as_count = False
        while method := METHOD.match(self._query, self._at):
            if method[1] != "as_count" or method[2].strip():
                raise UnsupportedQueryError(f"unsupported method: {method[0][1:]}")
            self._at, as_count = method.end(), True
        return Select(aggregator=aggregator, metric=metric, scope=scope, by=by, as_count=as_count)

    def _accept(self, *signs: str) -> str | None:
        found = TOKEN.match(self._query, self._at)
        if found is None or found["sign"] not in signs:
            return None
        self._at = found.end()
        return found["sign"]

    def _expect(self, sign: str) -> None:
        if self._accept(sign) is None:
            rest = self._query[self._at :].strip()[:60] or "the end"
            raise UnsupportedQueryError(f"expected {sign} before: {rest}")


def _operation(sign: str, left: Expression, right: Expression) -> Operation:
    if len(groupings := {select.by for select in selects(left) + selects(right)}) > 1:
        named = " and ".join(sorted(", ".join(by) or "none" for by in groupings))
        raise UnsupportedQueryError(f"unsupported: an operation of different groupings ({named})")
    return Operation(sign=sign, left=left, right=right)


def _scope(text: str) -> tuple[Condition, ...]:
    if text.strip() == "*":
        return ()
    conditions, at = [], 0
    while at < len(text):
        start = len(text) - len(text[at:].lstrip())
        found = IN.match(text, start) or TAG.match(text, start)
        if found is None:
            raise UnsupportedQueryError(f"unsupported scope: {text[start:][:60] or text[:60]}")
        values = tuple(normalized(value.strip()) for value in found["values"].split(","))
        conditions.append(Condition(key=found["key"], values=values, negated=bool(found["no"])))
        at = found.end()
        if text[at:].strip():
            joined = JOINED.match(text, at)
            if joined is None:
                raise UnsupportedQueryError(f"unsupported scope: {text[at:].strip()[:60]}")
            at = joined.end()
        else:
            break
    if not conditions:
        raise UnsupportedQueryError("an empty scope; {*} selects all series")
    return tuple(conditions)
