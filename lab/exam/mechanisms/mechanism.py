"""The definition of a mechanism, and what several of them share."""

import re
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
# PostgreSQL's queryid ignores comments, and pg_stat_statements keeps the text of the first execution: if the
# statement itself did not differ, the next culprit would have the name of the last one.
FIRST_WORD = re.compile(r"^(-- [^\n]+\n)(SELECT|UPDATE|INSERT)\b", re.MULTILINE)
OF_ITS_OWN = r"\1WITH APP_run AS (SELECT now())\n\2"
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
    filled = text.replace("VICTIM", fault.victim).replace("KEY", key).replace("SAME", same)
    return named(fault, filled)


def named(fault: Fault, text: str) -> Mapping[str, Statement]:
    """Return a fault's statements, with queryids of its application's own; `APP` as for `texts`."""
    application = fault.culprits[0]
    filled = FIRST_WORD.sub(OF_ITS_OWN, text).replace("APP", application.partition("-")[0])
    return statements(filled, service=application)


def only(found: Mapping[str, Statement]) -> Statement:
    """Return the statement of a mechanism that has one."""
    [statement] = found.values()
    return statement


def pids(scene: Scene, fault: Fault) -> frozenset[int]:
    """Return the backends of the fault's application."""
    return frozenset(pid for (pid,) in scene.ask(OWN, [fault.culprits[0]]))
