"""The subset of Datadog's query language: what is parsed and refused, and the values of a query."""

from typing import Any

import pytest

from lab.judge.evidence import MetricTrack
from lab.judge.metric_query import (
    Condition,
    Function,
    Operation,
    Select,
    UnsupportedQueryError,
    parse,
    selects,
)
from lab.judge.metric_values import evaluate, runs, selected, totals

NS = 1_000_000_000
T0 = 1_000_000 * NS


def track(
    name: str, *values: float, every_s: float = 15.0, count: bool = False, **tags: str
) -> MetricTrack:
    points = tuple((T0 + round(n * every_s * NS), value) for n, value in enumerate(values))
    return MetricTrack(name=name, tags=tags, is_count=count, interval_s=every_s, points=points)


def values(query: str, *tracks: MetricTrack) -> dict[Any, list[float]]:
    by_name: dict[str, list[MetricTrack]] = {}
    for one in tracks:
        by_name.setdefault(one.name, []).append(one)
    found = evaluate(parse(query), by_name)
    return {tuple(v for _, v in group): list(points.values()) for group, points in found.items()}


def test_a_selection_has_aggregator_metric_scope_groups_and_count() -> None:
    found = parse("sum:a.b_c{host:x AND table NOT IN (p, Q r),!env:lab*} by {db,user}.as_count()")
    assert found == Select(
        aggregator="sum",
        metric="a.b_c",
        scope=(
            Condition(key="host", values=("x",)),
            Condition(key="table", values=("p", "q_r"), negated=True),
            Condition(key="env", values=("lab*",), negated=True),
        ),
        by=("db", "user"),
        as_count=True,
    )
    assert parse("avg:a{*}") == Select(aggregator="avg", metric="a", scope=())


def test_operations_bind_as_in_arithmetic() -> None:
    found = parse("sum:a{*} - 0.1 * (sum:b{*} + sum:c{*}) / 2")
    assert isinstance(found, Operation)
    assert (found.sign, [select.metric for select in selects(found)]) == ("-", ["a", "b", "c"])
    assert parse("clamp_min(max:a{*}, -2)") == Function(
        name="clamp_min", argument=parse("max:a{*}"), number=-2.0
    )


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("anomalies(avg:a{*}, 'basic', 2)", "anomalies"),
        ("count:a{*}", "count"),
        ("sum:a{*}.rollup(sum, 60)", "rollup(sum, 60)"),
        ("sum:a{*}.as_rate()", "as_rate()"),
        ("sum:a{*} by {db}.fill(zero)", "fill(zero)"),
        ("sum:a{x:1 OR y:2}", "OR y:2"),
        ("sum:a{(x:1)}", "(x:1)"),
        ("sum:a{}", "empty scope"),
        ("sum:a{*} by {db} / sum:b{*} by {user}", "different groupings (db and user)"),
        ("sum:a{*} by {db", "by {db"),
        ("sum:a{x:1", "no end"),
        ("sum:a{*} > 3", "> 3"),
        ("clamp_max(sum:a{*}, sum:b{*})", "number"),
        ("clamp_max(sum:a{*})", "expected ,"),
        ("(sum:a{*}", "expected )"),
        ("", "the end"),
        ("top(sum:a{*}, 5, 'mean', 'desc')", "top"),
        ("sum:a{*} ^ 2", "^ 2"),
    ],
)
def test_what_is_outside_of_the_subset_is_refused_by_name(query: str, named: str) -> None:
    with pytest.raises(UnsupportedQueryError) as refused:
        parse(query)
    assert named in str(refused.value)


def test_a_very_long_query_is_refused() -> None:
    assert parse("sum:a{*}".ljust(2_000)) == parse("sum:a{*}")
    with pytest.raises(UnsupportedQueryError, match="2000 at most"):
        parse("(" * 3_000)


@pytest.mark.parametrize(
    ("pattern", "value", "holds"),
    [
        ("credit-*", "credit-risk", True), ("credit-*", "other", False), ("a*a", "a", False),
        ("a*c", "abc", True), ("*b*", "abc", True), ("*", "", True), ("a*b*c", "axcxb", False),
        ("ab", "abc", False), ("*a*b", "ab", True), ("a*", "ba", False),
        ("*bc", "abc", True), ("a*b*b", "ab", False),
    ],
)  # fmt: skip
def test_a_star_stands_for_any_text(pattern: str, value: str, holds: bool) -> None:
    assert Condition(key="k", values=(pattern,)).holds(value) is holds
    assert Condition(key="k", values=(pattern,), negated=True).holds(value) is not holds


def test_a_series_without_the_tag_is_only_selected_by_a_negation() -> None:
    found = values("sum:a{db:x}", track("a", 1.0), track("a", 2.0, db="x"))
    assert found == {(): [2.0]}
    assert values("sum:a{!db:x}", track("a", 1.0), track("a", 2.0, db="x")) == {(): [1.0]}


@pytest.mark.parametrize(
    ("aggregator", "expected"), [("sum", 9.0), ("avg", 3.0), ("min", 1.0), ("max", 6.0)]
)
def test_series_of_one_group_are_aggregated(aggregator: str, expected: float) -> None:
    tracks = [track("a", value, table=name) for name, value in zip("xyz", (1, 2, 6), strict=True)]
    assert values(f"{aggregator}:a{{*}}", *tracks) == {(): [expected]}


def test_points_of_one_run_are_one_moment_although_seconds_apart() -> None:
    """The check reads one table after the other; runs are 15 s apart, with some jitter."""
    first = MetricTrack(
        name="a", tags={}, is_count=False, interval_s=15.0,
        points=((T0, 1.0), (T0 + 14 * NS, 2.0), (T0 + 30 * NS, 3.0)),
    )  # fmt: skip
    second = MetricTrack(
        name="b", tags={}, is_count=False, interval_s=15.0,
        points=((T0 + 2 * NS, 10.0), (T0 + 16 * NS, 20.0), (T0 + 31 * NS, 30.0)),
    )  # fmt: skip
    assert values("sum:a{*} + sum:b{*}", first, second) == {(): [11.0, 22.0, 33.0]}
    found = runs(["a", "b"], {"a": [first], "b": [second]})
    assert found.ends_ns == (T0 + 2 * NS, T0 + 16 * NS, T0 + 31 * NS)


def test_an_operation_has_the_groups_and_moments_that_both_have() -> None:
    found = values(
        "sum:a{*} by {db} / sum:b{*} by {db}",
        track("a", 1.0, 4.0, db="x"), track("a", 1.0, db="y"), track("b", 2.0, 0.0, db="x"),
    )  # fmt: skip
    assert found == {("x",): [0.5]}, "y has no b, and a division by zero has no value"


def test_functions_bound_values_and_fill_moments() -> None:
    assert values("clamp_max(sum:a{*}, 2)", track("a", 1.0, 5.0)) == {(): [1.0, 2.0]}
    assert values("clamp_min(3 - sum:a{*}, 0)", track("a", 1.0, 5.0)) == {(): [2.0, 0.0]}
    sparse = track("a", 1.0, db="x")
    assert values("default_zero(sum:a{*} by {db})", sparse, track("a", 0.0, 7.0, db="y")) == {
        ("x",): [1.0, 0.0],
        ("y",): [0.0, 7.0],
    }


def test_counts_are_summed_over_the_window_before_they_are_combined() -> None:
    """10 errors of 100 and 0 of 900 are 1 %, not the mean of 10 % and 0 %."""
    metrics = {
        "e": [track("e", 10.0, 0.0, count=True)],
        "h": [track("h", 100.0, 900.0, count=True)],
    }
    query = parse("sum:e{*}.as_count() / sum:h{*}.as_count()")
    window = {"since_ns": T0 - NS, "until_ns": T0 + 60 * NS}
    assert totals(query, selected(query, metrics), **window) == {(): 0.01}
    assert (
        totals(query, selected(query, metrics), since_ns=T0 + 60 * NS, until_ns=T0 + 90 * NS) == {}
    )


def test_a_window_of_counts_begins_after_its_start_and_includes_its_end() -> None:
    """Else a point at a whole minute would count in two evaluations, or in none."""
    query, metrics = parse("sum:e{*}.as_count()"), {"e": [track("e", 1.0, 2.0, 4.0, count=True)]}
    found = selected(query, metrics)
    assert totals(query, found, since_ns=T0, until_ns=T0 + 30 * NS) == {(): 6.0}
    assert totals(query, found, since_ns=T0 - 1, until_ns=T0 + 29 * NS) == {(): 3.0}


def test_a_gauge_is_no_count() -> None:
    with pytest.raises(UnsupportedQueryError, match="a, which is no count"):
        values("sum:a{*}.as_count()", track("a", 1.0))


def test_the_longest_time_without_a_run() -> None:
    found = runs(["a"], {"a": [track("a", *range(5))]})
    assert found.longest_gap_ns(T0, T0 + 60 * NS) == 15 * NS
    assert found.longest_gap_ns(T0 + 50 * NS, T0 + 200 * NS) == 140 * NS
    assert found.allowed_gap_ns == round(37.5 * NS)
