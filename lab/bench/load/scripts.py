"""The scenarios as pgbench scripts: the same statements, from the same texts, in the same transactions.

psycopg2 replaces parameters by literals in the text, and pgbench does the same with its variables, so the
server parses, plans and executes the same statements for both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.bench.load.scenarios import Scenario
from lab.clients import database
from lab.foundation.settings import LabSettings
from workload.reference import SAMPLE_SIZE
from workload.statements import STATEMENTS

# Identifiers need to be unique, not random: pgbench draws twelve decimal digits for each.
UUID = "00000000-0000-4000-8000-:{}"
TWELVE_DIGITS = "random(100000000000, 999999999999)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Values for the scripts' variables: id and CPF of as many customers as a service reads, and maximum ids.

    All ids start at 1. `contract` excludes the last tenth: starting there, pgbench would at some time find
    no payable contract. CPFs are numbers, as pgbench has no text variables; none starts with a zero.
    """

    customers: tuple[tuple[int, int], ...]
    customer: int
    contract: int
    product: int

    @classmethod
    def of(cls, settings: LabSettings) -> "Sample":
        """Read the sample from a seeded database."""
        with database.connect(database.dsn(settings, database.Role.LAB)) as connection:
            [[customer, contract, product]] = database.rows(
                connection,
                "SELECT (SELECT max(customer_id) FROM customers),"
                " (SELECT max(contract_id) * 9 / 10 FROM credit_contracts WHERE status = 'active'),"
                " (SELECT max(product_id) FROM credit_products)",
            )
            customers = database.rows(
                connection,
                "SELECT customer_id, cpf::bigint FROM customers WHERE cpf >= '1'"
                " ORDER BY md5(cpf) LIMIT %s",
                [SAMPLE_SIZE],
            )
        return cls(
            customers=tuple((row[0], row[1]) for row in customers),
            customer=customer,
            contract=contract,
            product=product,
        )


def write(scenario: Scenario, sample: Sample, folder: Path) -> list[str]:
    """Write the scenario's scripts, and return the pgbench arguments for them."""
    arguments = []
    for share in scenario.shares:
        file = folder / f"{share.operation.name}.sql"
        file.write_text(_SCRIPTS[share.operation.name](sample), encoding="utf-8")
        arguments.append(f"--file={file}@{share.weight}")
    return arguments


def one_of(values: Sequence[int], first: int = 0) -> str:
    """Return the expression for the value at index `:at`, by binary search: pgbench has no arrays."""
    if len(values) == 1:
        return str(values[0])
    half = len(values) // 2
    low, high = one_of(values[:half], first), one_of(values[half:], first + half)
    return f"CASE WHEN :at < {first + half} THEN {low} ELSE {high} END"


def _sql(name: str, end: str = ";", **parameters: str) -> str:
    return STATEMENTS[name].sql % parameters + end + "\n"


def _customer_by_cpf(sample: Sample, end: str = ";") -> str:
    return _draw("cpf", [cpf for _, cpf in sample.customers]) + _sql(
        "customer_by_cpf", end, cpf="':cpf'"
    )


def _draw(variable: str, values: Sequence[int]) -> str:
    """Return the lines that set a variable to one of the values, uniformly distributed."""
    return f"\\set at random(0, {len(values) - 1})\n\\set {variable} {one_of(values)}\n"


def _audit(service: str, operation: str, detail: str = "{}") -> Mapping[str, str]:
    return {
        "operation_id": f"'{UUID.format('operation')}'::uuid",
        "instance": "'00000000-0000-4000-8000-000000000000'::uuid",
        "service": f"'credit-{service}'",
        "operation": f"'{operation}'",
        "detail": f"'{detail}'",
    }


def _lookup(sample: Sample) -> str:
    return _customer_by_cpf(sample, end=" \\gset") + _sql(
        "customer_history", customer_id=":customer_id"
    )


def _browse(sample: Sample) -> str:
    return (
        f"\\set amount random(5, 200) * 100\n\\set product random(1, {sample.product})\n"
        + _sql("browse_products", amount=":amount.00")
        + _sql("product_detail", product_id=":product")
    )


def _submit(sample: Sample) -> str:
    return (
        f"\\set customer random(1, {sample.customer})\n\\set product random(1, {sample.product})\n"
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
        )
    )


def _withdraw(_: Sample) -> str:
    return f"\\set operation {TWELVE_DIGITS}\n" + _sql(
        "withdraw_proposal", **_audit("proposals", "withdraw", '{"proposal": "withdrawn"}')
    )


def _report(name: str) -> Callable[[Sample], str]:
    return lambda _: _sql(name)


def _statement(sample: Sample) -> str:
    return (
        f"\\set contract random(1, {sample.contract})\n"
        + _sql("contract_for_statement", contract_id=":contract")
        + _sql("account_statement", contract_id=":contract")
    )


def _update_contact(sample: Sample) -> str:
    return (
        _draw("customer", [customer_id for customer_id, _ in sample.customers])
        + f"\\set digits random(10000000, 99999999)\n\\set operation {TWELVE_DIGITS}\n"
        + _sql(
            "update_contact",
            customer_id=":customer",
            phone="'+55 00 9:digits'",
            email="'customer.:digits@example.com'",
            **_audit("customers", "update_contact"),
        )
    )


def _pay(sample: Sample) -> str:
    ids = """'{":installment_id"}'"""
    return (
        f"\\set start random(1, {sample.contract})\n\\set operation {TWELVE_DIGITS}\n"
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
        + "COMMIT;\n"
    )


_SCRIPTS: Mapping[str, Callable[[Sample], str]] = {
    "point": _customer_by_cpf,
    "lookup": _lookup,
    "browse": _browse,
    "submit": _submit,
    "withdraw": _withdraw,
    "statement": _statement,
    "update_contact": _update_contact,
    "pay": _pay,
    "risk_distribution": _report("risk_distribution"),
    "product_performance": _report("product_performance"),
    "delinquency_ageing": _report("delinquency_ageing"),
}
