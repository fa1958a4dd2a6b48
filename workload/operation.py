"""An operation of a service: a function from a `Call` to a `Result`, with a name and a rate.

Every completed write operation has exactly one audit row, whose detail has the `Facts` that the
counters count. So an operation with an unknown commit can be looked up, and `verify` can compare the
counters of a process with the database exactly.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid4

from workload.database import Database, Session
from workload.reference import Reference
from workload.settings import Settings
from workload.tracing import Span

ZERO = Decimal("0.00")
# The statuses of a proposal.
STATUSES = ("submitted", "withdrawn", "approved", "rejected")


class Outcome(StrEnum):
    """How an operation ended."""

    OK = "ok"
    NOTHING = "nothing"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """The business figures of one write operation; amounts in BRL."""

    proposal: str | None = None
    disbursed: Decimal = ZERO
    paid: Decimal = ZERO

    def to_detail(self) -> str:
        """Return the JSON text for audit_log.detail."""
        detail: dict[str, str] = {}
        if self.proposal:
            detail["proposal"] = self.proposal
        if self.disbursed:
            detail["disbursed"] = str(self.disbursed)
        if self.paid:
            detail["paid"] = str(self.paid)
        return json.dumps(detail)

    @classmethod
    def from_detail(cls, detail: Mapping[str, str]) -> "Facts":
        """Read audit_log.detail back."""
        return cls(
            proposal=detail.get("proposal"),
            disbursed=Decimal(detail.get("disbursed", "0.00")),
            paid=Decimal(detail.get("paid", "0.00")),
        )


# Of an operation that reads.
NO_FACTS = Facts()


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The result of an operation. Tags are set on its root span and never contain personal data."""

    outcome: Outcome = Outcome.OK
    facts: Facts = NO_FACTS
    tags: Mapping[str, str | int | float] = field(default_factory=dict)


NOTHING = Result(outcome=Outcome.NOTHING)


# Not frozen: each field of a frozen dataclass costs a function call, per operation.
@dataclass(kw_only=True, slots=True)
class Call:
    """One operation under way: service, operation id, and the database."""

    service: str
    operation: str
    instance: UUID
    random: random.Random
    settings: Settings
    database: Database
    reference: Reference
    span: Span
    _operation_id: UUID | None = field(default=None, init=False)

    @property
    def operation_id(self) -> UUID:
        """The id of the operation in the database, the same for all attempts; reads need none."""
        if self._operation_id is None:
            self._operation_id = uuid4()
        return self._operation_id

    def autocommit(self) -> Session:
        """A session in autocommit mode."""
        return self.database.autocommit()

    def transaction(self) -> Session:
        """A session with one transaction."""
        return self.database.transaction()

    def audit_columns(self, facts: Facts) -> dict[str, object]:
        """The audit columns of all write statements of this call."""
        return {
            "operation_id": self.operation_id,
            "instance": self.instance,
            "service": self.service,
            "operation": self.operation,
            "detail": facts.to_detail(),
        }

    def audit(self, session: Session, facts: Facts, *, entity: str, entity_id: int) -> None:
        """Write this call's audit row into the session's transaction."""
        session.change(
            "insert_audit", entity=entity, entity_id=entity_id, **self.audit_columns(facts)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """An operation by name.

    Attributes:
        rate: reads its arrivals per second at load 1 from the settings.
        at_start: whether it also runs once when the service starts under load.
    """

    name: str
    run: Callable[[Call], Result]
    rate: Callable[[Settings], float]
    writes: bool
    at_start: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """One of the five services: its short name and its operations."""

    name: str
    operations: tuple[Operation, ...]
    port: Callable[[Settings], int]
    threads: Callable[[Settings], int] = lambda settings: settings.workload_threads

    @property
    def dd_service(self) -> str:
        """The name in traces, metrics and application_name."""
        return f"credit-{self.name}"
