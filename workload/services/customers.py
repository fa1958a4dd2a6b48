"""credit-customers: the fastest service: customers and their history, by CPF."""

from workload.operation import NOTHING, Call, Facts, Operation, Result, Service


def lookup(call: Call) -> Result:
    """Find a customer by CPF and show the history."""
    _, cpf = call.random.choice(call.reference.get().customers)
    with call.autocommit() as session:
        customer = session.row("customer_by_cpf", cpf=cpf)
        if customer is None:
            return NOTHING
        history = session.rows("customer_history", customer_id=customer[0])
    return Result(tags={"credit.proposals": len(history)})


def statement(call: Call) -> Result:
    """Show a contract with its installments and payments."""
    contract_id = call.random.randint(*call.reference.get().contract_ids)
    with call.autocommit() as session:
        contract = session.row("contract_for_statement", contract_id=contract_id)
        if contract is None:
            return NOTHING
        lines = session.rows("account_statement", contract_id=contract[0])
    return Result(tags={"credit.installments": len(lines)})


def update_contact(call: Call) -> Result:
    """Update the phone number and e-mail address of a customer."""
    customer_id, _ = call.random.choice(call.reference.get().customers)
    digits = call.random.randint(0, 99_999_999)
    with call.autocommit() as session:
        changed = session.row(
            "update_contact",
            customer_id=customer_id,
            phone=f"+55 00 9{digits // 10_000:04d}-{digits % 10_000:04d}",
            email=f"customer.{customer_id}.{digits:08d}@example.com",
            **call.audit_columns(Facts()),
        )
    return Result() if changed else NOTHING


SERVICE = Service(
    name="customers",
    port=lambda settings: settings.customers_port,
    operations=(
        Operation(name="lookup", run=lookup, rate=lambda s: s.rate_lookup, writes=False),
        Operation(name="statement", run=statement, rate=lambda s: s.rate_statement, writes=False),
        Operation(
            name="update_contact",
            run=update_contact,
            rate=lambda s: s.rate_update_contact,
            writes=True,
        ),
    ),
)
