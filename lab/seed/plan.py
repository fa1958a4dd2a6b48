"""The plan of a seed: number of customers and proposals for a scale, and all rows in order of loading.

A plan is deterministic: the same scale, random seed and reference date give the same bytes, on any machine.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from lab.seed.batches import Batch
from lab.seed.catalogue import OFFERS
from lab.seed.lending import Lending
from lab.seed.people import customers
from lab.seed.profiles import Profiles
from lab.seed.timeline import Timeline

CUSTOMERS_AT_SCALE_1 = 10_000
PROPOSALS_PER_CUSTOMER = 5
_ROWS_PER_PROPOSAL = 17  # with its analysis, contract and payments: measured


@dataclass(frozen=True, kw_only=True)
class SeedPlan:
    """One seed: `scale` 1 is 10,000 customers; all seeded times are before the date `reference`."""

    scale: Decimal
    random_seed: int
    reference: date

    @property
    def customers(self) -> int:
        """Number of customers, at least one."""
        return max(1, round(CUSTOMERS_AT_SCALE_1 * self.scale))

    @property
    def proposals(self) -> int:
        """Number of proposals."""
        return self.customers * PROPOSALS_PER_CUSTOMER

    @property
    def expected_rows(self) -> int:
        """Estimated number of all rows, for progress."""
        return self.customers + self.proposals * _ROWS_PER_PROPOSAL

    def blocks(self) -> Iterator[list[Batch]]:
        """Yield all rows: parents before children, some thousand rows at a time."""
        timeline = Timeline(self.reference)
        profiles = Profiles(self.random_seed, self.reference)
        yield [_catalogue()]
        yield from customers(self.customers, self.random_seed, profiles, timeline)
        lending = Lending(
            random_seed=self.random_seed,
            customers=self.customers,
            profiles=profiles,
            timeline=timeline,
        )
        yield from lending.blocks(self.proposals)


def _catalogue() -> Batch:
    lines = [
        f"{p.product_id}\t{p.code}\t{offer.name}\t{p.min_amount}\t{p.max_amount}"
        f"\t{p.min_installments}\t{p.max_installments}\t{p.monthly_rate}\t{p.min_score}\n"
        for offer in OFFERS
        for p in (offer.product,)
    ]
    return Batch(table="credit_products", rows=len(lines), text="".join(lines).encode())
