"""The definition of a mechanism, and what several of them share."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from lab.drills.drill import Proof
from lab.drills.scene import Scene
from lab.drills.sessions import statements
from lab.exam.items import Fault
from workload.statements import Statement

# Table: its key, a column that may be set to its own value, and one with a date, if it has one.
COLUMNS = MappingProxyType({
    "customers": ("customer_id", "updated_at", "created_at"),
    "credit_products": ("product_id", "code", ""),
    "credit_proposals": ("proposal_id", "channel", "submitted_at"),
    "credit_analysis": ("analysis_id", "reason", "analysed_at"),
    "credit_contracts": ("contract_id", "open_amount", "signed_at"),
    "installments": ("installment_id", "fee", "due_date"),
    "credit_transactions": ("transaction_id", "kind", "created_at"),
})  # fmt: skip
# PostgreSQL's queryid ignores comments, and pg_stat_statements keeps the text of the first execution: if the
# statement itself did not differ, the next culprit would have the name of the last one.
FIRST_WORD = re.compile(r"^(-- [^\n]+\n)(SELECT|UPDATE|INSERT)\b", re.MULTILINE)
OF_ITS_OWN = r"\1WITH APP_run AS (SELECT now())\n\2"
T = TypeVar("T")


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

    `VICTIM`, `KEY`, `SAME` and `DAY` become the victim, its key, a column of it, and its date.
    """
    filled = text.replace("VICTIM", fault.victim)
    for placeholder, column in zip(("KEY", "SAME", "DAY"), COLUMNS[fault.victim], strict=True):
        filled = filled.replace(placeholder, column)
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


def of_scene(function: Callable[[Scene], T]) -> Callable[[Scene, Fault], T]:
    """Return an injection or a proof that needs only the scene, such as a drill's, as a mechanism's."""
    return lambda scene, _: function(scene)
