"""Plans of PostgreSQL 15 and 18 that were misread: each keeps the invariants and names the right node."""

from pathlib import Path

import pytest

from tests.plan_invariants import check

CASES = Path(__file__).parents[1] / "plans"


@pytest.mark.parametrize("case", sorted(CASES.glob("*.json")), ids=lambda path: path.stem)
def test_own_times_and_blocks_add_up(case: Path) -> None:
    """Own times and blocks add up to the root's, none is negative, the slowest node has the largest."""
    check(case.read_text())


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("delete_fk", "trigger child_parent_id_fkey on parent (199 calls) 6,718 ms"),
        (
            "jit",
            "Most of the time, 410 ms of 612 ms, was spent outside the plan: not known on what",
        ),
        ("never", "planning 0.072 ms. Seq Scan on parent, slowest node of the plan"),
        ("parallel_subplan_leader", "Bitmap Heap Scan on parent, slowest node: 445 ms of 898 ms"),
        ("nested_cte", "Seq Scan on t, slowest node: 261 ms of 558 ms"),
        ("recursive", "WorkTable Scan on r r_1, slowest node: 600 ms of 991 ms"),
        ("modifying_cte", "Insert on parent, slowest node: 69 ms of 166 ms"),
        ("cte_twice", "Aggregate, slowest node: 31 ms of 73 ms"),
        ("pg18", "returned 14,285 rows, 85,715 rows removed by filter"),
    ],
)
def test_the_sentence_names_where_the_time_went(case: str, words: str) -> None:
    assert words in check((CASES / f"plan-{case}.json").read_text()).worst_node
