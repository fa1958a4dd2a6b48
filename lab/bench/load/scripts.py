"""The scenarios as pgbench scripts: the same statements, from the same texts, in the same transactions.

psycopg2 puts parameters into the text as literals, and pgbench does the same with its variables, so the
server parses, plans and executes the same for both.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import database
from lab.bench.load.scenarios import Scenario, Share
from lab.settings import LabSettings
from workload.statements import STATEMENTS

# pgbench has no text variables to draw from, so that each of so many customers has a script.
CUSTOMERS = 16
# Identifiers that need not be random, only new: pgbench draws twelve decimal digits for each.
UUID = "00000000-0000-4000-8000-:{}"
TWELVE_DIGITS = "random(100000000000, 999999999999)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """One file of pgbench's, with its weight within the scenario."""

    text: str
    weight: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What scripts draw from: id and CPF of some customers, and the highest ids (all start at 1).

    `contract` leaves the last tenth out: from there on pgbench would some day find none to pay.
    """

    customers: tuple[tuple[int, str], ...]
    customer: int
    contract: int
    product: int

    @classmethod
    def of(cls, settings: LabSettings) -> "Sample":
        """Read it from a seeded database."""
        with database.connect(database.dsn(settings, database.Role.LAB)) as connection:
            [[customer, contract, product]] = database.rows(
                connection,
                "SELECT (SELECT max(customer_id) FROM customers),"
                " (SELECT max(contract_id) * 9 / 10 FROM credit_contracts WHERE status = 'active'),"
                " (SELECT max(product_id) FROM credit_products)",
            )
            customers = database.rows(
                connection,
                "SELECT customer_id, cpf FROM customers ORDER BY md5(cpf) LIMIT %s",
                [CUSTOMERS],
            )
        return cls(
            customers=tuple((row[0], row[1]) for row in customers),
            customer=customer,
            contract=contract,
            product=product,
        )


def write(scenario: Scenario, sample: Sample, folder: Path) -> list[str]:
    """Write the scenario's scripts and return the pgbench arguments that name them."""
    arguments = []
    for share in scenario.shares:
        for number, script in enumerate(_SCRIPTS[share.operation.name](share, sample)):
            file = folder / f"{share.operation.name}-{number}.sql"
            file.write_text(script.text, encoding="utf-8")
            arguments.append(f"--file={file}@{script.weight}")
    return arguments


def _sql(name: str, end: str = ";", **parameters: str) -> str:
    return STATEMENTS[name].sql % parameters + end + "\n"


def _audit(service: str, operation: str, detail: str = "{}") -> Mapping[str, str]:
    return {
        "operation_id": f"'{UUID.format('operation')}'::uuid",
        "instance": "'00000000-0000-4000-8000-000000000000'::uuid",
        "service": f"'credit-{service}'",
        "operation": f"'{operation}'",
        "detail": f"'{detail}'",
    }


def _point(share: Share, sample: Sample) -> Iterator[Script]:
    for _, cpf in sample.customers:
        yield Script(text=_sql("customer_by_cpf", cpf=f"'{cpf}'"), weight=share.weight)


def _lookup(share: Share, sample: Sample) -> Iterator[Script]:
    for customer_id, cpf in sample.customers:
        yield Script(
            text=_sql("customer_by_cpf", cpf=f"'{cpf}'")
            + _sql("customer_history", customer_id=str(customer_id)),
            weight=share.weight // len(sample.customers) or 1,
        )


def _browse(share: Share, sample: Sample) -> Iterator[Script]:
    yield Script(
        text=f"\\set amount random(5, 200) * 100\n\\set product random(1, {sample.product})\n"
        + _sql("browse_products", amount=":amount.00")
        + _sql("product_detail", product_id=":product"),
        weight=share.weight,
    )


def _submit(share: Share, sample: Sample) -> Iterator[Script]:
    yield Script(
        text=f"\\set customer random(1, {sample.customer})\n\\set product random(1, {sample.product})\n"
        f"\\set amount random(5, 200) * 100\n\\set operation {TWELVE_DIGITS}\n"
        + _sql("applicant", customer_id=":customer")
        + _sql(
            "submit_proposal",
            customer_id=":customer",
            product_id=":product",
            amount=":amount.00",
            installments="12",
            channel="'app'",
            **_audit("proposals", "submit", '{"proposal": "submitted"}'),
        ),
        weight=share.weight,
    )


def _withdraw(share: Share, _: Sample) -> Iterator[Script]:
    yield Script(
        text=f"\\set operation {TWELVE_DIGITS}\n"
        + _sql("withdraw_proposal", **_audit("proposals", "withdraw", '{"proposal": "withdrawn"}')),
        weight=share.weight,
    )


def _report(share: Share, _: Sample) -> Iterator[Script]:
    yield Script(text=_sql(share.operation.name), weight=share.weight)


def _statement(share: Share, sample: Sample) -> Iterator[Script]:
    yield Script(
        text=f"\\set contract random(1, {sample.contract})\n"
        + _sql("contract_for_statement", contract_id=":contract")
        + _sql("account_statement", contract_id=":contract"),
        weight=share.weight,
    )


def _update_contact(share: Share, sample: Sample) -> Iterator[Script]:
    yield Script(
        text=f"\\set customer random(1, {sample.customer})\n\\set digits random(10000000, 99999999)\n"
        f"\\set operation {TWELVE_DIGITS}\n"
        + _sql(
            "update_contact",
            customer_id=":customer",
            phone="'+55 00 9:digits'",
            email="'customer.:digits@example.com'",
            **_audit("customers", "update_contact"),
        ),
        weight=share.weight,
    )


def _pay(share: Share, sample: Sample) -> Iterator[Script]:
    ids = """'{":installment_id"}'"""
    yield Script(
        text=f"\\set start random(1, {sample.contract})\n\\set operation {TWELVE_DIGITS}\n"
        f"\\set key {TWELVE_DIGITS}\n"
        "BEGIN;\n"
        + _sql("lock_payable_contract", end=" \\gset", contract_id=":start")
        + _sql("next_installment", end=" \\gset", contract_id=":contract_id")
        + _sql("pay_installments", installment_ids=ids)
        + _sql(
            "insert_payments",
            contract_id=":contract_id",
            installment_ids=ids,
            amounts="""'{":amount"}'""",
            idempotency_keys=f"""'{{"{UUID.format("key")}"}}'""",
        )
        + _sql("reduce_open_amount", contract_id=":contract_id", amount=":amount")
        + _sql(
            "insert_audit",
            entity="'contract'",
            entity_id=":contract_id",
            **_audit("servicing", "pay"),
        )
        + "COMMIT;\n",
        weight=share.weight,
    )


_SCRIPTS: Mapping[str, Callable[[Share, Sample], Iterator[Script]]] = {
    "point": _point,
    "lookup": _lookup,
    "browse": _browse,
    "submit": _submit,
    "withdraw": _withdraw,
    "statement": _statement,
    "update_contact": _update_contact,
    "pay": _pay,
    "risk_distribution": _report,
    "product_performance": _report,
    "delinquency_ageing": _report,
}
