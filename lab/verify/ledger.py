"""Operations and amounts of each service process by its audit rows: the database side of the counters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from lab.clients import database
from lab.verify.invariants import FIGURES


@dataclass(frozen=True, kw_only=True, slots=True)
class OperationTotals:
    """Count and amounts of one operation in one process; amounts in BRL."""

    count: int = 0
    disbursed: Decimal = Decimal("0.00")
    paid: Decimal = Decimal("0.00")


# By instance and operation.
Ledger = Mapping[tuple[str | None, str], OperationTotals]


def read(connection: database.Connection, instances: Sequence[str]) -> Ledger:
    """Return the totals of these instances, including the summary that retention keeps of deleted rows."""
    found = database.rows(connection, FIGURES["ledger"].sql, {"instances": list(instances)})
    return {
        (instance, operation): OperationTotals(count=count, disbursed=disbursed, paid=paid)
        for instance, operation, count, disbursed, paid in found
    }
