"""Invariants of money and customers, checked in one snapshot: a running workload does not affect them."""

from collections.abc import Iterator
from pathlib import Path

from lab.clients import database
from lab.foundation.settings import LabSettings
from lab.verify.report import Check, compare
from workload.statements import Statement, parse

HERE = Path(__file__).parent
TIMEOUT_S = 600.0


def statements(name: str) -> list[Statement]:
    """Return the statements of one .sql file of this package."""
    return list(parse((HERE / name).read_text(encoding="utf-8"), service="credit-lab"))


FIGURES = {statement.name: statement for statement in statements("figures.sql")}


def check(settings: LabSettings, *, timeout_s: float = TIMEOUT_S) -> Iterator[Check]:
    """Yield the result of each invariant as soon as it is known; `timeout_s` is of each statement."""
    target = database.dsn(settings, database.Role.LAB)
    with (
        database.connect(target) as connection,
        database.read_only(connection, statement_timeout_s=timeout_s, one_snapshot=True),
    ):
        for statement in statements("invariants.sql"):
            [[broken]] = database.rows(connection, statement.sql)
            yield compare(statement.name, expected=0, actual=broken, detail=statement.purpose)
        [[lent, disbursed, due, paid]] = database.rows(connection, FIGURES["sums"].sql)
    yield compare(
        "sum_disbursed",
        expected=lent,
        actual=disbursed,
        detail="Principal of contracts = disbursements, BRL.",
    )
    yield compare(
        "sum_paid", expected=due, actual=paid, detail="Paid installments = payments, BRL."
    )
