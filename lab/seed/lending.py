"""Generates three years of lending: proposals, their analyses, contracts, installments and payments.

Proposals are in order of time, more every year, from customers who have joined by then. They are decided by
the rule of the running lab, `workload.scoring`; some of the newest are still pending.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import inf
from random import Random

from lab.seed.batches import NULL, Batch, Page
from lab.seed.catalogue import OFFERS, Offer
from lab.seed.people import members
from lab.seed.profiles import Profile, Profiles
from lab.seed.repayment import Ledger, Loan
from lab.seed.timeline import DAY_S, Timeline
from workload import money
from workload.scoring import Application, Decision, decide

BLOCK = 1_000
GROWTH = 0.6  # exponent of the share of time: at the end, 1.5 times the average number of proposals a day
BACKLOG_DAYS = 52  # share of pending proposals: nearly all on the last day, none at this age
AUDITED_DAYS = 30
_MEDIAN_RATIO = 0.15
_RATIO_SIGMA = 0.6
_DECISION_S = 3 * 3600
_DECISION_SIGMA = 1.2
_ROUND_SUMS = ((5_000, 100), (20_000, 500), (inf, 1_000))  # (upper limit, step)
# Repeated by weight, so that a plain choice is a weighted one.
_CHANNELS = ("app",) * 55 + ("web",) * 25 + ("branch",) * 12 + ("partner",) * 8
_DEMAND = tuple(offer for offer in OFFERS for _ in range(offer.demand))
_NO_INSTANCE = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A proposal as submitted; `submitted` in seconds since the start of the timeline."""

    customer_id: int
    profile: Profile
    offer: Offer
    amount: Decimal
    installments: int
    submitted: int


class Lending:
    """Generates the rows of lending, a block of proposals at a time; ids continue across blocks."""

    def __init__(
        self, *, random_seed: int, customers: int, profiles: Profiles, timeline: Timeline
    ) -> None:
        self._rng = Random(f"{random_seed} lending")
        self._customers = customers
        self._profiles = profiles
        self._timeline = timeline
        self._proposals = Page(table="credit_proposals")
        self._analyses = Page(table="credit_analysis")
        self._contracts = Page(table="credit_contracts")
        self._ledger = Ledger(timeline=timeline)
        self._audit = Page(table="audit_log")

    def blocks(self, count: int) -> Iterator[list[Batch]]:
        """Yield the rows of `count` proposals, and those of their analyses, contracts and payments."""
        pages = (
            self._proposals,
            self._analyses,
            self._contracts,
            self._ledger.installments,
            self._ledger.transactions,
            self._audit,
        )
        for first in range(0, count, BLOCK):
            for number in range(first, min(first + BLOCK, count)):
                self._write(self._propose((number + self._rng.random()) / count))
            yield [page.take() for page in pages]

    def _propose(self, share: float) -> Proposal:
        rng = self._rng
        fraction = share**GROWTH
        customer_id = 1 + int(rng.random() * members(fraction, self._customers))
        profile = self._profiles.of(customer_id)
        offer = rng.choice(_DEMAND)
        installments = rng.choice(offer.terms)
        return Proposal(
            customer_id=customer_id,
            profile=profile,
            offer=offer,
            amount=_affordable(profile, offer, installments, rng),
            installments=installments,
            submitted=self._timeline.instant(fraction),
        )

    def _write(self, proposal: Proposal) -> None:
        rng, end = self._rng, self._timeline.end_s
        age_s = end - proposal.submitted
        decided = proposal.submitted + int(_DECISION_S * rng.lognormvariate(0, _DECISION_SIGMA))
        waits = decided >= end or rng.random() * BACKLOG_DAYS * DAY_S > age_s
        decision = None if waits else _decide(proposal, self._timeline.day(decided), rng)
        submitted_at = self._timeline.text(proposal.submitted)
        decided_at = NULL if waits else self._timeline.text(decided)
        proposal_id = self._proposals.add(
            f"{proposal.customer_id}\t{proposal.offer.product.product_id}\t{proposal.amount}"
            f"\t{proposal.installments}\t{rng.choice(_CHANNELS)}"
            f"\t{decision.status if decision else 'pending'}\t{submitted_at}\t{decided_at}"
        )
        if decision:
            self._analyses.add(
                f"{proposal_id}\t{decision.score}\t{decision.income_ratio}\t{decision.status}"
                f"\t{decision.reason}\t{decided_at}"
            )
            if decision.approved:
                self._sign(proposal_id, proposal, decision, decided)
        if age_s < AUDITED_DAYS * DAY_S:
            self._audit.add(
                f"{rng.getrandbits(128):032x}\t{_NO_INSTANCE}\tcredit-proposals\tsubmit\tproposal"
                f'\t{proposal_id}\t{{"proposal": "submitted"}}\t{submitted_at}'
            )

    def _sign(self, proposal_id: int, proposal: Proposal, decision: Decision, signed: int) -> None:
        product = proposal.offer.product
        signed_at = self._timeline.text(signed)
        loan = Loan(
            contract_id=self._contracts.next_id,
            principal=proposal.amount,
            monthly_rate=product.monthly_rate,
            installments=proposal.installments,
            signed_on=self._timeline.day(signed),
            reliability=(proposal.profile.reliability + decision.score / 1000) / 2,
        )
        self._ledger.disburse(loan, signed_at, self._rng)
        standing = self._ledger.repay(loan, self._rng)
        status = "active" if standing.settled_at == NULL else "settled"
        self._contracts.add(
            f"{proposal_id}\t{proposal.customer_id}\t{product.product_id}\t{loan.principal}"
            f"\t{loan.monthly_rate}\t{loan.installments}\t{standing.open_amount}\t{status}"
            f"\t{signed_at}\t{standing.settled_at}"
        )


def _affordable(profile: Profile, offer: Offer, installments: int, rng: Random) -> Decimal:
    """Draw an amount whose installment is a usual share of the income, within the product's limits."""
    product = offer.product
    ratio = rng.lognormvariate(0, _RATIO_SIGMA) * _MEDIAN_RATIO
    payment = float(profile.income) * ratio
    amount = payment / float(money.annuity(product.monthly_rate, installments))
    step = next(step for below, step in _ROUND_SUMS if amount < below)
    stepped = Decimal(int(amount / step) * step).quantize(money.CENT)
    return min(max(stepped, product.min_amount), product.max_amount)


def _decide(proposal: Proposal, today: date, rng: Random) -> Decision:
    """Decide as underwriting does, with random values for open debts, not the sum of contracts."""
    profile, product = proposal.profile, proposal.offer.product
    doubt = 1 - profile.reliability
    owes_elsewhere = rng.random() < doubt / 2
    application = Application(
        monthly_income=profile.income,
        first_installment=money.payment(
            proposal.amount, product.monthly_rate, proposal.installments
        ),
        open_amount=profile.income * rng.randrange(24) if owes_elsewhere else money.ZERO,
        overdue_installments=rng.randrange(5) if owes_elsewhere else 0,
        age_years=(today - profile.born).days // 365,
    )
    return decide(application, product, luck=(profile.reliability + rng.random()) / 2)
