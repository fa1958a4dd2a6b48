"""The seed before it meets a database: what its rows say, and what making them costs in memory."""

import hashlib
import subprocess
import sys
import tracemalloc
from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from random import Random
from statistics import mean

import pytest

from lab.seed import lending, people, profiles, timeline
from lab.seed.batches import COLUMNS
from lab.seed.catalogue import OFFERS
from lab.seed.plan import SeedPlan
from workload import cpf, money

REFERENCE = date(2025, 11, 1)
PLAN = SeedPlan(scale=Decimal("0.05"), random_seed=15, reference=REFERENCE)
DIGEST = """
import hashlib, sys
from datetime import date
from decimal import Decimal
from lab.seed.plan import SeedPlan
plan = SeedPlan(scale=Decimal("0.01"), random_seed=15, reference=date(2025, 11, 1))
text = b"".join(batch.text for block in plan.blocks() for batch in block)
print(hashlib.sha256(text).hexdigest())
"""


@cache
def past() -> dict[str, list[dict[str, str]]]:
    """All rows of PLAN, by table and column."""
    tables: dict[str, list[dict[str, str]]] = {table: [] for table in COLUMNS}
    for block in PLAN.blocks():
        for batch in block:
            columns = COLUMNS[batch.table].split(", ")
            tables[batch.table] += [
                dict(zip(columns, line.split("\t"), strict=True))
                for line in batch.text.decode().splitlines()
            ]
    return tables


def rows(table: str) -> list[dict[str, str]]:
    return past()[table]


def digest(plan: SeedPlan) -> str:
    text = b"".join(batch.text for block in plan.blocks() for batch in block)
    return hashlib.sha256(text).hexdigest()


def test_scale_says_how_many_customers_and_proposals() -> None:
    """Scale 1 is 10,000 customers with 50,000 proposals; the least is one customer."""
    sizes = [
        (p.customers, p.proposals) for p in (replace(PLAN, scale=Decimal(s)) for s in ("1", "100"))
    ]
    assert sizes == [(10_000, 50_000), (1_000_000, 5_000_000)]
    assert replace(PLAN, scale=Decimal("0.00001")).customers == 1
    assert (len(rows("customers")), len(rows("credit_proposals"))) == (500, 2_500)


def test_equal_plans_give_equal_bytes_in_any_process() -> None:
    """The bytes follow from the plan alone, also where strings hash otherwise."""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": "."},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert outputs == {digest(replace(PLAN, scale=Decimal("0.01")))}


@pytest.mark.parametrize("change", [{"random_seed": 16}, {"reference": date(2025, 11, 2)}])
def test_other_plans_give_other_bytes(change: dict[str, object]) -> None:
    """Another random seed, or another reference date, gives another past."""
    small = replace(PLAN, scale=Decimal("0.01"))
    assert digest(small) != digest(replace(small, **change))  # type: ignore[arg-type]


def test_ids_count_from_one() -> None:
    """In every table ids ascend from 1 without gaps."""
    for table, columns in COLUMNS.items():
        identity = columns.partition(",")[0]
        assert [int(row[identity]) for row in rows(table)] == list(range(1, len(rows(table)) + 1))


def test_ids_follow_time() -> None:
    """Who has the higher number came later, as in a database that has lived."""
    for table, moment in (("customers", "created_at"), ("credit_proposals", "submitted_at")):
        moments = [row[moment] for row in rows(table)]
        assert moments == sorted(moments)


def test_everything_lies_in_the_three_years_before_the_reference_date() -> None:
    """No moment is on the reference date or later, and the first is almost three years before."""
    moments = [
        row[column]
        for table, column in (
            ("customers", "created_at"),
            ("credit_proposals", "submitted_at"),
            ("credit_proposals", "decided_at"),
            ("credit_contracts", "signed_at"),
            ("credit_transactions", "created_at"),
            ("audit_log", "at"),
        )
        for row in rows(table)
        if row[column] != "\\N"
    ]
    assert max(moments) < "2025-11-01"
    assert "2022-10-31" <= min(moments) < "2022-11-30"


def test_people_are_plausible_and_unreachable() -> None:
    """CPFs are valid and unique, names vary, all are of age, no address or number is anybody's."""
    people_rows = rows("customers")
    cpfs = [row["cpf"] for row in people_rows]
    assert all(map(cpf.is_valid, cpfs))
    assert len(set(cpfs)) == len(cpfs)
    assert len({row["full_name"] for row in people_rows}) > 0.95 * len(people_rows)
    assert all(row["email"].split("@")[1].startswith("example.") for row in people_rows)
    assert all("0" in row["phone"].split()[1] for row in people_rows)
    assert all(int(row["created_at"][:4]) - int(row["birth_date"][:4]) >= 18 for row in people_rows)
    assert {"SP", "RJ", "MG", "BA"} <= {row["state"] for row in people_rows}


def test_no_cpf_comes_twice_at_any_scale() -> None:
    """Numbers lead to different bases, also the ten that first lead to one that is never issued."""
    sequence = people.CpfSequence(Random(3))
    inverse = pow(sequence._factor, -1, cpf.BASES)  # exists, so that the step is a permutation

    def number_of(base: int) -> int:
        return (base - sequence._offset) * inverse % cpf.BASES

    for base in range(0, cpf.BASES, 111_111_111):
        given = sequence.at(number_of(base))
        assert not cpf.is_issuable(number_of(int(given[:9]))), "that number is a customer's, too"


def test_nobody_applies_before_joining() -> None:
    """Each proposal is submitted by a customer who was there by then."""
    joined = [row["created_at"] for row in rows("customers")]
    assert all(
        joined[int(row["customer_id"]) - 1] <= row["submitted_at"]
        for row in rows("credit_proposals")
    )


def test_status_mix() -> None:
    """About half is approved; some 4 % wait, all of them recent; every product sells."""
    proposals = rows("credit_proposals")
    share = {s: n / len(proposals) for s, n in Counter(r["status"] for r in proposals).items()}
    assert 0.45 < share["approved"] < 0.55
    assert 0.025 < share["pending"] < 0.055
    assert min(r["submitted_at"] for r in proposals if r["status"] == "pending") > "2025-09-09"
    sold = {row["product_id"] for row in rows("credit_contracts")}
    assert sold == {str(offer.product.product_id) for offer in OFFERS}


def test_scores_follow_income_and_decide() -> None:
    """The richer half scores higher, and the approved score higher than the rejected."""
    income = {row["customer_id"]: Decimal(row["monthly_income"]) for row in rows("customers")}
    applicant = {row["proposal_id"]: row["customer_id"] for row in rows("credit_proposals")}
    analyses = rows("credit_analysis")
    median = sorted(income.values())[len(income) // 2]
    rich = [int(a["score"]) for a in analyses if income[applicant[a["proposal_id"]]] > median]
    poor = [int(a["score"]) for a in analyses if income[applicant[a["proposal_id"]]] <= median]
    assert mean(rich) > mean(poor) + 30
    by_decision = {
        d: mean(int(a["score"]) for a in analyses if a["decision"] == d)
        for d in ("approved", "rejected")
    }
    assert by_decision["approved"] > by_decision["rejected"] + 100


def test_payers_are_of_every_kind() -> None:
    """Contracts settle, run, and fall behind; payments come early, late with a fee, and not at all."""
    contracts = Counter(row["status"] for row in rows("credit_contracts"))
    assert 0.3 < contracts["settled"] / contracts.total() < 0.6
    installments = rows("installments")
    due = [row for row in installments if row["due_date"] < "2025-11-01"]
    states = Counter((row["status"], row["fee"] != "0.00") for row in due)
    assert 0.05 < states["paid", True] / len(due) < 0.15
    assert 0.01 < (states["overdue", True] + states["overdue", False]) / len(due) < 0.05
    assert any(row["status"] == "paid" and row["paid_at"] < row["due_date"] for row in due)
    assert any(row["status"] == "open" and row["due_date"] > "2028" for row in installments)


def test_installments_are_those_of_the_running_lab() -> None:
    """Each contract has the schedule that underwriting would have given it on that day."""
    written = Counter(
        tuple(row[c] for c in ("contract_id", "number", "due_date", "principal", "interest"))
        for row in rows("installments")
    )
    expected = Counter(
        (
            row["contract_id"],
            str(i.number),
            str(i.due_date),
            str(i.principal),
            str(i.interest),
        )
        for row in rows("credit_contracts")
        for i in money.schedule(
            Decimal(row["principal"]),
            Decimal(row["monthly_rate"]),
            int(row["installments"]),
            money.month_after(date.fromisoformat(row["signed_at"][:10]), 1),
        )
    )
    assert written == expected


def test_late_fees_are_those_of_the_rule() -> None:
    """A late payment carries the fee of its delay, and whoever paid in time carries none."""
    for row in rows("installments"):
        if row["status"] == "paid":
            amount = Decimal(row["principal"]) + Decimal(row["interest"])
            paid, due = (date.fromisoformat(row[c][:10]) for c in ("paid_at", "due_date"))
            assert Decimal(row["fee"]) == money.late_fee(amount, (paid - due).days)


def test_every_offer_can_be_sold() -> None:
    """The least and the most of every product can be split into its longest schedule."""
    for offer in OFFERS:
        product = offer.product
        for amount in (product.min_amount, product.max_amount):
            rows_ = money.schedule(amount, product.monthly_rate, offer.terms[-1], REFERENCE)
            assert sum(row.principal for row in rows_) == amount


def test_memory_does_not_grow_with_the_scale() -> None:
    """Making a block of a hundred times as much peaks at the same memory."""

    def peak(scale: int) -> int:
        plan = replace(PLAN, scale=Decimal(scale))
        book = lending.Lending(
            random_seed=15,
            customers=plan.customers,
            profiles=profiles.Profiles(15, REFERENCE),
            timeline=timeline.Timeline(REFERENCE),
        )
        tracemalloc.start()
        try:
            next(book.blocks(plan.proposals))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)  # fills the caches that are bounded
    small, large = peak(1), peak(100)
    assert large < 1.3 * small
    assert large < 10_000_000


def test_no_batch_outgrows_its_block() -> None:
    """However many rows follow from one proposal, a block stays within a few megabytes."""
    largest = max(sum(len(b.text) for b in block) for block in PLAN.blocks())
    assert largest < 4_000_000
