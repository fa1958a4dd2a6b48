"""How much people apply for: any amount between a product's limits, small loans far more often than large."""

from collections import defaultdict
from decimal import Decimal

from tests.fix_postgres import Database
from tests.fix_workload import Wire, ask

SUBMITTED = 240
AMOUNTS = """
SELECT p.min_amount, p.max_amount, c.amount FROM credit_proposals c JOIN credit_products p USING (product_id)
WHERE c.status = 'pending' AND c.submitted_at > now() - interval '10 min'"""


def test_amounts_are_spread_over_the_products_range_by_ratio(seeded: Database, wire: Wire) -> None:
    """Steps of 100 between the limits; half of them below the geometric mean, few near the maximum."""
    wired = wire("proposals", seeded.settings)
    for _ in range(SUBMITTED):
        wired.run("submit")
    found = [row for row in ask(seeded, AMOUNTS) if row[2]]
    assert len(found) >= SUBMITTED
    by_product: defaultdict[tuple[Decimal, Decimal], list[Decimal]] = defaultdict(list)
    below = 0
    for low, high, amount in found:
        assert low <= amount <= high
        assert amount % 100 == 0 or amount == low
        by_product[low, high].append(amount)
        below += amount * amount <= low * high
    for (low, high), amounts in by_product.items():
        assert len(set(amounts)) > len(amounts) / 4, f"between {low} and {high}: {set(amounts)}"
    # A draw by ratio has half of them there; one by amount would have far fewer.
    assert 0.35 < below / len(found) < 0.65
