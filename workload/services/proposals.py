"""credit-proposals: customers browse products, submit proposals, and sometimes withdraw them."""

from decimal import Decimal

from workload.money import CENT
from workload.operation import NOTHING, Call, Facts, Operation, Result, Service
from workload.reference import Product

CHANNELS = ("app", "web", "branch", "partner")
CHANNEL_WEIGHTS = (55, 25, 12, 8)
STEP = 100


def _amount(call: Call, product: Product) -> Decimal:
    # Log-uniform: small loans are far more frequent than large ones.
    low, high = float(product.min_amount), float(product.max_amount)
    amount = low * (high / low) ** call.random.random()
    return max(product.min_amount, Decimal(int(amount / STEP) * STEP)).quantize(CENT)


def browse(call: Call) -> Result:
    """List the products for an amount, then read one of them."""
    product = call.random.choice(call.reference.get().products)
    with call.autocommit() as session:
        found = session.rows("browse_products", amount=_amount(call, product))
        if not found:
            return NOTHING
        session.row("product_detail", product_id=call.random.choice(found)[0])
    return Result(tags={"credit.products": len(found)})


def submit(call: Call) -> Result:
    """Apply for a product: one proposal, pending."""
    reference = call.reference.get()
    product = call.random.choice(reference.products)
    facts = Facts(proposal="submitted")
    with call.autocommit() as session:
        applicant = session.row(
            "applicant", customer_id=call.random.randint(*reference.customer_ids)
        )
        if applicant is None:
            return NOTHING
        session.rows(
            "submit_proposal",
            customer_id=applicant[0],
            product_id=product.product_id,
            amount=_amount(call, product),
            installments=call.random.randint(product.min_installments, product.max_installments),
            channel=call.random.choices(CHANNELS, CHANNEL_WEIGHTS)[0],
            **call.audit_columns(facts),
        )
    return Result(facts=facts, tags={"credit.product": product.code})


def withdraw(call: Call) -> Result:
    """Withdraw the newest pending proposal: the row is deleted."""
    facts = Facts(proposal="withdrawn")
    with call.autocommit() as session:
        withdrawn = session.row("withdraw_proposal", **call.audit_columns(facts))
    return Result(facts=facts) if withdrawn else NOTHING


SERVICE = Service(
    name="proposals",
    port=lambda settings: settings.proposals_port,
    operations=(
        Operation(name="browse", run=browse, rate=lambda s: s.rate_browse, writes=False),
        Operation(name="submit", run=submit, rate=lambda s: s.rate_submit, writes=True),
        Operation(name="withdraw", run=withdraw, rate=lambda s: s.rate_withdraw, writes=True),
    ),
)
