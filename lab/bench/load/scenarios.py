"""The scenarios: operations of the workload in the proportions of their default rates.

Only operations whose SQL pgbench can execute as well: decisions, schedules and fees are computed in Python.
"""

from dataclasses import dataclass

from workload.operation import Call, Operation, Result
from workload.services import SERVICES
from workload.settings import Settings

# pgbench needs integer weights; the lowest default rate is a few thousandths per second.
WEIGHT_PER_RATE = 1000


def _point(call: Call) -> Result:
    """Read one customer by CPF, the lab's cheapest statement."""
    _, cpf = call.random.choice(call.reference.get().customers)
    with call.autocommit() as session:
        session.row("customer_by_cpf", cpf=cpf)
    return Result()


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """An operation of a service and its weight."""

    service: str
    operation: Operation
    weight: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """A mix of operations; `lengthened` is the factor on the duration of its turns."""

    name: str
    what: str
    shares: tuple[Share, ...]
    lengthened: int = 1


def _share(service: str, name: str) -> Share:
    operation = next(o for o in SERVICES[service].operations if o.name == name)
    weight = round(operation.rate(Settings.model_construct()) * WEIGHT_PER_RATE)
    return Share(service=service, operation=operation, weight=weight)


POINT = Scenario(
    name="point read",
    what="one statement: customer_by_cpf",
    shares=(
        Share(
            service="customers",
            operation=Operation(name="point", run=_point, rate=lambda _: 1.0, writes=False),
            weight=1,
        ),
    ),
)
LOOKUP = Scenario(
    name="lookup",
    what="two statements: customer_by_cpf, customer_history",
    shares=(_share("customers", "lookup"),),
)
MIX = Scenario(
    name="mix",
    what="browse, submit, withdraw, lookup, statement, update_contact, pay and the three reports,"
    " in the proportions of their default rates",
    shares=(
        _share("proposals", "browse"),
        _share("proposals", "submit"),
        _share("proposals", "withdraw"),
        _share("customers", "lookup"),
        _share("customers", "statement"),
        _share("customers", "update_contact"),
        _share("servicing", "pay"),
        _share("risk", "risk_distribution"),
        _share("risk", "product_performance"),
        _share("risk", "delinquency_ageing"),
    ),
    # A report takes a tenth of a second and is rare: its number would dominate the result of a short turn.
    lengthened=3,
)
SCENARIOS = (POINT, LOOKUP, MIX)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
