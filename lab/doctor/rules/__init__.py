"""The requirements of Database Monitoring and postgres_exporter, as pure functions from facts to checks."""

from collections.abc import Iterable
from dataclasses import replace

from lab.doctor.check import Check
from lab.doctor.facts import Facts
from lab.doctor.rules import log, plans, roles, statements
from lab.doctor.rules.weight import weighed


def judge(facts: Facts) -> tuple[Check, ...]:
    """Apply every rule, in the order in which the fixes are made."""
    groups: Iterable[Iterable[Check]] = (
        statements.checks(facts),
        roles.checks(facts),
        plans.checks(facts),
        log.checks(facts),
    )
    checks = tuple(weighed(check) for group in groups for check in group)
    return tuple(map(_on_primary, checks)) if facts.is_standby else checks


def _on_primary(check: Check) -> Check:
    """A standby accepts ALTER SYSTEM, and rejects every other change."""
    own = ("ALTER SYSTEM", "SELECT pg_reload_conf()")
    if check.fix is None or all(s.startswith(own) for s in check.fix.statements):
        return check
    note = f"This server is a standby: run these on its primary. {check.fix.note}".rstrip()
    return replace(check, fix=replace(check.fix, note=note))
