"""Candidates for an index from plans, and the choice among them; what cannot limit rows yields none."""

from collections.abc import Mapping

from lab.drilldown import index_candidates
from lab.drilldown.index_advice import HypotheticalIndex, _best
from lab.drilldown.index_candidates import Candidate, candidates, compared

SCAN = {"Node Type": "Seq Scan", "Relation Name": "t", "Schema": "public", "Alias": "a"}


def columns(*nodes: Mapping[str, object]) -> list[tuple[str, tuple[str, ...]]]:
    """Table and columns of each candidate of a plan with these nodes."""
    found = candidates({"Node Type": "Result", "Plans": list(nodes)})
    return [(one.table, one.columns) for one in found]


def test_equal_columns_come_before_a_range() -> None:
    node = {**SCAN, "Filter": "((a.b = $1) AND (a.at >= (now() - $2)) AND (a.state = ANY ($3)))"}
    assert columns(node) == [
        ("t", ("b",)), ("t", ("state",)), ("t", ("b", "state")), ("t", ("b", "state", "at")), ("t", ("at",)),
    ]  # fmt: skip


def test_one_branch_of_an_or_limits_nothing() -> None:
    assert columns({**SCAN, "Filter": "((a.b = $1) OR (a.c = $2))"}) == []


def test_a_join_offers_its_column_alone_and_after_the_filter() -> None:
    other = {**SCAN, "Relation Name": "u", "Alias": "o"}
    join = {
        "Node Type": "Hash Join",
        "Hash Cond": "(o.t_id = a.id)",
        "Plans": [{**SCAN, "Filter": "(a.b = $1)"}, other],
    }
    assert set(columns(join)) == {
        ("u", ("t_id",)),
        ("t", ("b",)),
        ("t", ("id",)),
        ("t", ("b", "id")),
    }


def test_casts_and_quoted_names_are_read() -> None:
    condition = """(((a.kind)::text = 'x'::text) AND (a."Odd name" = $1) AND ($2 < a.n))"""
    assert list(compared(condition, "a")) == [("kind", True), ("Odd name", True), ("n", False)]


def test_a_scan_without_a_condition_has_no_candidate() -> None:
    assert columns(SCAN) == []


def advice(table: str, columns: int, cost: float) -> tuple[Candidate, HypotheticalIndex]:
    names = tuple("abc"[:columns])
    index = HypotheticalIndex(
        definition=f"CREATE INDEX ON public.{table} ({columns});", cost_before=1_000.0, cost_after=cost,
        size_bytes=1,
    )  # fmt: skip
    return Candidate(schema="public", table=table, columns=names), index


def test_of_nearly_equal_indexes_the_one_with_fewest_columns_is_advised() -> None:
    """To five per cent; one for each table, three at most, the cheapest first."""
    found = [
        advice("t", 3, 100.0),
        advice("t", 2, 105.0),
        advice("t", 1, 105.1),
        advice("u", 1, 50.0),
    ]
    assert [index.cost_after for index in _best(found)] == [50.0, 105.0]
    assert [index.cost_after for index in _best([advice("t", 1, 8.0), advice("t", 1, 7.9)])] == [
        7.9
    ]
    many = [
        advice(name, 1, cost) for name, cost in (("a", 4.0), ("b", 3.0), ("c", 2.0), ("d", 1.0))
    ]
    assert [index.cost_after for index in _best(many)] == [1.0, 2.0, 3.0]
    assert advice("t", 1, 12.4)[1].sentence == (
        "with an index on public.t (1): cost 1,000 -> 12 (estimated, not executed)"
    )


def test_at_most_twelve_candidates_of_at_most_three_columns() -> None:
    """A condition of an index is used only beside a filter."""
    condition = " AND ".join(f"(a.c{number} = $1)" for number in range(5)) + " AND (a.r > $2)"
    scan = {"Node Type": "Seq Scan", "Relation Name": "t", "Schema": "s", "Alias": "a"}
    found = candidates({**scan, "Filter": f"({condition})"})
    assert [one.columns for one in found] == [
        ("c0",), ("c1",), ("c2",), ("c0", "c1", "c2"), ("c0", "c1", "r"), ("r",),
    ]  # fmt: skip
    nodes = [{**scan, "Relation Name": f"t{n}", "Filter": f"({condition})"} for n in range(3)]
    assert len(candidates({"Node Type": "Append", "Plans": nodes})) == index_candidates.MOST == 12
    index = {**scan, "Node Type": "Index Scan", "Index Cond": "(a.b = $1)"}
    assert candidates(index) == ()
    beside = candidates({**index, "Filter": "(a.c = $1)"})
    assert [one.columns for one in beside] == [("c",), ("b",), ("c", "b")]
