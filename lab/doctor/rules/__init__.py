"""Everything that Database Monitoring and the exporter need, as pure functions from facts to checks."""

from collections.abc import Iterable

from lab.doctor.check import Check
from lab.doctor.facts import Facts
from lab.doctor.rules import log, plans, roles, statements


def judge(facts: Facts) -> tuple[Check, ...]:
    """Apply every rule, in the order in which a person would mend."""
    groups: Iterable[Iterable[Check]] = (
        statements.checks(facts),
        roles.checks(facts),
        plans.checks(facts),
        log.checks(facts),
    )
    return tuple(check for group in groups for check in group)
