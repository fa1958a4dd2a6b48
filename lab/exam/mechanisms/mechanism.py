"""The definition of a mechanism, and what several of them share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lab.drills.drill import Proof
from lab.drills.scene import Scene
from lab.drills.sessions import statements
from lab.exam.items import Fault
from workload.statements import Statement

# Table: its key, and a column that may be set to its own value.
COLUMNS = MappingProxyType({
    "customers": ("customer_id", "updated_at"),
    "credit_products": ("product_id", "code"),
    "credit_proposals": ("proposal_id", "channel"),
    "credit_analysis": ("analysis_id", "reason"),
    "credit_contracts": ("contract_id", "open_amount"),
    "installments": ("installment_id", "fee"),
    "credit_transactions": ("transaction_id", "kind"),
})  # fmt: skip
OWN = "SELECT pid FROM pg_stat_activity WHERE application_name = %s"


@dataclass(frozen=True, kw_only=True)
class Mechanism:
    """One kind of fault.

    Attributes:
        inject: starts the fault and returns.
        prove: checks in PostgreSQL whether it is present; called again until it is.
        sql: the statements at fault, by name; those of a service for a fault without sessions of its own.
    """

    inject: Callable[[Scene, Fault], None]
    prove: Callable[[Scene, Fault], Proof]
    sql: Callable[[Fault], Mapping[str, Statement]] = lambda _: {}


def texts(fault: Fault, text: str) -> Mapping[str, Statement]:
    """Return a fault's statements: `APP` in a name becomes the application's first word.

    `VICTIM`, `KEY` and `SAME` become the victim, its key, and a column of it.
    """
    key, same = COLUMNS[fault.victim]
    application = fault.culprits[0]
    filled = text.replace("APP", application.partition("-")[0]).replace("VICTIM", fault.victim)
    return statements(filled.replace("KEY", key).replace("SAME", same), service=application)


def only(found: Mapping[str, Statement]) -> Statement:
    """Return the statement of a mechanism that has one."""
    [statement] = found.values()
    return statement


def pids(scene: Scene, fault: Fault) -> frozenset[int]:
    """Return the backends of the fault's application."""
    return frozenset(pid for (pid,) in scene.ask(OWN, [fault.culprits[0]]))
