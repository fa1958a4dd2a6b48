"""Candidates for an index from plans: filters, ranges, joins; what cannot limit rows yields none."""

from collections.abc import Mapping

from lab.drilldown.index_candidates import candidates, compared

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
