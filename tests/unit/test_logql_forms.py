"""LogQL as Grafana writes it: patterns, strings, durations, and what a refusal names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.console import logql, loki
from lab.console.logql import Filter, duration_ns
from lab.console.logql_pattern import LogQLError, Pattern
from lab.foundation.errors import LabError

S = 1_000_000_000


@pytest.mark.parametrize(
    ("pattern", "whole", "part"),
    [
        # Texts that the pattern matches as a whole, and as a part.
        ("ab", {"ab"}, {"ab", "xab", "abx", "xabx"}),
        ("a.*b", {"ab", "axb", "a.b"}, {"ab", "axb", "a.b", "xab", "abx", "xabx", "xaxbx"}),
        (".*", {"", "b", "ab", "axb", "xab", "abx", "xabx", "a.b", "xaxbx"},
         {"", "b", "ab", "axb", "xab", "abx", "xabx", "a.b", "xaxbx"}),
        ("a.*", {"ab", "axb", "abx", "a.b"}, {"ab", "axb", "xab", "abx", "xabx", "a.b", "xaxbx"}),
        (r"a\.b", {"a.b"}, {"a.b"}),
        ("(ab|b)", {"ab", "b"}, {"b", "ab", "axb", "xab", "abx", "xabx", "a.b", "xaxbx"}),
        ("axb|xab", {"axb", "xab"}, {"axb", "xab", "xabx", "xaxbx"}),
        ("(?i)AB", {"ab"}, {"ab", "xab", "abx", "xabx"}),
        ("x.*a.*x", {"xabx", "xaxbx"}, {"xabx", "xaxbx"}),
        ("ab.*ba", set(), set()),
        ("", {""}, {"", "b", "ab", "axb", "xab", "abx", "xabx", "a.b", "xaxbx"}),
    ],
)  # fmt: skip
def test_a_pattern_matches_whole_texts_or_parts(
    pattern: str, whole: set[str], part: set[str]
) -> None:
    texts = ["", "b", "ab", "axb", "xab", "abx", "xabx", "a.b", "xaxbx"]
    parsed = Pattern.of(pattern)
    assert {text for text in texts if parsed.matches(text, whole=True)} == whole
    assert {text for text in texts if parsed.matches(text, whole=False)} == part


def test_alternatives_and_literals_keep_what_is_escaped() -> None:
    """A bar, a backslash and a bracket that are escaped are characters; overlapping ends are no match."""
    assert Pattern.of(r"a\|b").alternatives == (((0, "a|b"),),)
    assert Pattern.of(r"a\\|b").alternatives == (((0, "a\\"),), ((0, "b"),))
    assert Pattern.of(r"\(a\)|\[").alternatives == (((0, "(a)"),), ((0, "["),))
    assert Pattern.of("(a|b)").alternatives == (((0, "a"),), ((0, "b"),))
    assert Pattern.of("a.*b.+c").alternatives == (((0, "a"), (0, "b"), (1, "c")),)
    assert not Pattern.of("aba.*aba").matches("ababa", whole=True)
    assert Pattern.of("aba.*aba").matches("abaaba", whole=True)
    assert Pattern.of("(?i)É").matches("xéx", whole=False)
    assert not Pattern.of("É").matches("é", whole=True)


@given(
    pattern=st.lists(st.sampled_from(["a", "ab", "A", ".*", ".+", "|"]), max_size=6).map("".join),
    flag=st.sampled_from(["", "(?i)"]),
    text=st.text("abA", max_size=6),
)
def test_a_pattern_matches_as_its_regular_expression_does(
    pattern: str, flag: str, text: str
) -> None:
    """`.+` needs a character, also of a label that is missing; `.*` needs none."""
    expression = re.compile(f"(?:{pattern})", re.IGNORECASE if flag else 0)
    parsed = Pattern.of(flag + pattern)
    assert parsed.matches(text, whole=True) == bool(expression.fullmatch(text))
    assert parsed.matches(text, whole=False) == bool(expression.search(text))


@pytest.mark.parametrize(
    "pattern", ["a+", "a?", "[ab]", "a{2}", "^a", "a$", ".", "(a", "a)b", "a*"]
)
def test_other_regular_expressions_are_refused(pattern: str) -> None:
    """They could take exponential time."""
    with pytest.raises(LogQLError, match="is a regular expression; supported: literal texts"):
        Pattern.of(pattern)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1ms", 10**6), ("10s", 10 * S), ("1m30s", 90 * S), ("2h", 7200 * S), ("1d", 86_400 * S),
        ("1h1m1s1ms", 3_661 * S + 10**6),
    ],
)  # fmt: skip
def test_durations_of_ranges(text: str, ns: int) -> None:
    assert duration_ns(text) == ns


@pytest.mark.parametrize("text", ["", "0s", "s", "10", "1s ", "x1s", "1y", "1s1", "-1s", "1.5s"])
def test_what_is_no_duration_of_a_range_is_refused(text: str) -> None:
    with pytest.raises(LogQLError, match="is not a duration; expected: such as 10s or 1m30s"):
        duration_ns(text)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ('{a="b"} }', "not supported at }"),
        ('{a="b"', "not supported at the end"),
        ("sum", '"(" is expected at the end'),
        ('count_over_time{a="b"}', '"(" is expected at {'),
        ('count_over_time({a="b"}[1m)', '"]" is expected at )'),
        ('count_over_time({a="b"}[1m]', '")" is expected at the end'),
        ('sum(count_over_time({a="b"}[1m])', '")" is expected at the end'),
        ('{a>"b"}', "not understood at"),
        ('{a|="b"}', "not supported at |="),
        ("{a=b}", "not supported at b"),
        ('{a="b"} | c', "not supported at the end"),
        ('sum by (a) (count_over_time({a="b"}[1m])) by (c)', "not supported at by"),
    ],
)
def test_a_refusal_names_the_place(query: str, words: str) -> None:
    with pytest.raises(LogQLError) as refused:
        logql.parse(query)
    text = str(refused.value)
    assert words in text
    # What the console has, unless the query cannot be divided into words.
    supported = "selectors, line and label filters, and sum(count_over_time())."
    assert text.endswith(supported) is ("not understood" not in text)


def test_a_query_has_at_most_five_thousand_characters() -> None:
    """Blanks at its end count."""
    query = '{a="b"}'
    assert logql.parse(query + " " * (5_000 - len(query))).filters
    with pytest.raises(LogQLError, match="more than 5,000 characters"):
        logql.parse(query + " " * (5_001 - len(query)))


@pytest.mark.parametrize(
    ("query", "filters"),
    [
        ("{}", []),
        ('{a="b",}', [("a", "=", "b")]),
        ('{a!="b", c=~"d|e"}', [("a", "!=", "b"), ("c", "=~", "d|e")]),
        ('{a="b"} |= "x" != "y" |~ "z" !~ "w"',
         [("a", "=", "b"), (None, "=", "x"), (None, "!=", "y"), (None, "=~", "z"), (None, "!~", "w")]),
        ('{a="b"} | logfmt | level!~"info"', [("a", "=", "b"), ("level", "!~", "info")]),
        ('{a="b"} | keep a, b | c="d"', [("a", "=", "b"), ("c", "=", "d")]),
        (r'{a="t\tn\nq\"b\\"}', [("a", "=", 't\tn\nq"b\\')]),
        (r"{a=`\n`}", [("a", "=", r"\n")]),
    ],
)  # fmt: skip
def test_filters_of_a_query(query: str, filters: list[tuple[str | None, str, str]]) -> None:
    found = logql.parse(query)
    assert [(one.label, one.operator, one.value) for one in found.filters] == filters
    assert (found.range_ns, found.by) == (None, ())


def test_every_filter_must_hold() -> None:
    query = logql.parse('{a="b"} |= "x" != "y"')
    assert query.holds({"a": "b"}, "x")
    assert not query.holds({"a": "b"}, "xy")
    assert not query.holds({"a": "c"}, "x")
    assert not Filter(label=None, operator="!~", value="x.*y").holds({}, "axby")


def test_numbers_of_an_address() -> None:
    """A limit that is none is refused; without one the default holds."""
    assert loki._number({}, "limit", 100) == 100
    assert loki._number({"limit": ""}, "limit", 100) == 100
    assert loki._number({"limit": "1" * 19}, "limit", 100) == int("1" * 19)
    for text in ("-1", "x", "1.5", "1" * 20):
        with pytest.raises(LabError, match="is not a number"):
            loki._number({"limit": text}, "limit", 100)
