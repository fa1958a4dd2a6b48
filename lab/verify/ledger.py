"""What the audit rows say that each process of a service has done: the database's side of the counters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from lab.clients import database
from lab.verify.invariants import FIGURES


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What one process has done in one operation; amounts in BRL."""

    count: int = 0
    disbursed: Decimal = Decimal("0.00")
    paid: Decimal = Decimal("0.00")


# By instance and operation.
Ledger = Mapping[tuple[str | None, str], Done]


def read(connection: database.Connection, instances: Sequence[str]) -> Ledger:
    """Return what these instances have done, retention's summary included."""
    found = database.rows(connection, FIGURES["ledger"].sql, {"instances": list(instances)})
    return {
        (instance, operation): Done(count=count, disbursed=disbursed, paid=paid)
        for instance, operation, count, disbursed, paid in found
    }
