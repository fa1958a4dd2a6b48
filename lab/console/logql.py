"""The part of LogQL that Grafana sends: stream selectors, line and label filters, sum(count_over_time())."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lab.console.logql_pattern import LogQLError, Pattern

MAX_LENGTH = 5_000
TOKEN = re.compile(
    r'\s*+(?:(?P<string>"(?:[^"\\]++|\\.)*+"|`[^`]*+`)|(?P<number>[0-9][0-9a-zµ.]*+)'
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*+)|(?P<sign>\|=|!=|\|~|!~|=~|[=|{}(),\[\]+]))"
)
WHITESPACE = " \t\r\n"
OPERATORS = ("=", "!=", "=~", "!~")
# Stages that change how a line is shown, and not which lines there are.
IGNORED = {"json", "logfmt", "drop", "keep", "decolorize"}
UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}
ESCAPED = {"n": "\n", "t": "\t"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """A condition on a label; without a label, on the line."""

    label: str | None
    operator: str
    value: str

    def holds(self, labels: Mapping[str, str], line: str) -> bool:
        """Whether a line with these labels meets the condition."""
        text = line if self.label is None else labels.get(self.label, "")
        whole = self.label is not None
        negated = self.operator.startswith("!")
        if self.operator.endswith("~"):
            met = Pattern.of(self.value).matches(text, whole=whole)
        else:
            met = text == self.value if whole else self.value in text
        return met is not negated


@dataclass(frozen=True, kw_only=True, slots=True)
class LogQuery:
    """A query: lines, or with `range_ns` their number in windows of that length, by the labels `by`."""

    filters: tuple[Filter, ...]
    range_ns: int | None = None
    by: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str], line: str) -> bool:
        """Whether a line meets every filter."""
        return all(each.holds(labels, line) for each in self.filters)


def parse(text: str) -> LogQuery:
    """Parse a query.

    Raises:
        LogQLError: with the place at which it is not understood.
    """
    if len(text) > MAX_LENGTH:
        raise LogQLError(f"A query of more than {MAX_LENGTH:,} characters.")
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def query(self) -> LogQuery:
        by: tuple[str, ...] = ()
        outer = self._take("sum")
        if outer:
            if self._take("by"):
                by = self._names()
            self._need("(")
        counted = self._take("count_over_time")
        if counted:
            self._need("(")
        elif outer:
            raise self._unknown()
        filters = [*self._selector(), *self._stages()]
        range_ns = None
        if counted:
            self._need("[")
            range_ns = duration_ns(self._next())
            self._need("]")
            self._need(")")
        if outer:
            self._need(")")
            if not by and self._take("by"):
                by = self._names()
        if self._at < len(self._tokens):
            raise self._unknown()
        return LogQuery(filters=tuple(filters), range_ns=range_ns, by=by)

    def _selector(self) -> Iterator[Filter]:
        self._need("{")
        while not self._take("}"):
            yield self._condition(self._next())
            self._take(",")

    def _stages(self) -> Iterator[Filter]:
        while self._at < len(self._tokens) and self._tokens[self._at] not in ("[", ")"):
            sign = self._next()
            if sign in ("|=", "!=", "|~", "!~"):
                operator = sign.replace("|", "") if sign != "|=" else "="
                yield Filter(
                    label=None, operator="=~" if sign == "|~" else operator, value=self._string()
                )
            elif sign == "|":
                name = self._next()
                if name not in IGNORED:
                    yield self._condition(name)
                    continue
                while self._peek() not in ("|", "|=", "!=", "|~", "!~", "[", ")", None):
                    self._next()
            else:
                self._at -= 1
                raise self._unknown()

    def _condition(self, label: str) -> Filter:
        operator = self._next()
        if operator not in OPERATORS:
            self._at -= 1
            raise self._unknown()
        found = Filter(label=label, operator=operator, value=self._string())
        if operator.endswith("~"):
            Pattern.of(found.value)
        return found

    def _names(self) -> tuple[str, ...]:
        self._need("(")
        found = []
        while not self._take(")"):
            found.append(self._next())
            self._take(",")
        return tuple(found)

    def _string(self) -> str:
        text = self._next()
        if text.startswith("`"):
            return text[1:-1]
        if not text.startswith('"'):
            self._at -= 1
            raise self._unknown()
        return _unescaped(text[1:-1])

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self) -> str:
        found = self._peek()
        if found is None:
            raise self._unknown()
        self._at += 1
        return found

    def _take(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._at += 1
        return True

    def _need(self, token: str) -> None:
        if not self._take(token):
            raise self._unknown(f'"{token}" is expected')

    def _unknown(self, reason: str = "not supported") -> LogQLError:
        found = self._peek()
        return LogQLError(
            f"LogQL: {reason} at {'the end' if found is None else found[:40]}. The console's log has stream"
            " selectors, line and label filters, and sum(count_over_time())."
        )


def duration_ns(text: str) -> int:
    """Parse a duration such as 10s or 1m30s.

    Raises:
        LogQLError: when it is none.
    """
    parts = re.findall(r"([0-9]{1,18}+)(ms|s|m|h|d)", text[:60])
    total = sum(int(number) * UNITS[unit] for number, unit in parts)
    if not total or "".join(number + unit for number, unit in parts) != text:
        raise LogQLError(f'"{text[:40]}" is not a duration; expected: such as 10s or 1m30s.')
    return total


def _tokens(text: str) -> Iterator[str]:
    at, end = 0, len(text.rstrip(WHITESPACE))
    while at < end:
        found = TOKEN.match(text, at)
        if found is None:
            raise LogQLError(f'LogQL: not understood at "{text[at : at + 20]}".')
        yield found[0].strip(WHITESPACE)
        at = found.end()


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: ESCAPED.get(found[1], found[1]), text)
