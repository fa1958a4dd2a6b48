"""Two culprits of the same fault have different entries in pg_stat_statements, in a lab of many exams."""

import pytest

from lab.clients.database import Role, rows
from lab.exam.items import Fault
from lab.exam.mechanisms import MECHANISMS
from tests.fix_postgres import Database

NAMES = """
SELECT count(DISTINCT queryid), count(*) FILTER (WHERE query LIKE ANY(%s)) FROM pg_stat_statements
WHERE query LIKE ANY(%s)"""
PARAMETERS = {"id": 1, "lines": 3, "part": 1, "after": 0, "skipped": 1, "rows": 5, "size": 1}
FAULTS = (
    ("n-plus-one", "installments"), ("burst", "credit_proposals"), ("sequential-scans", "installments"),
    ("rollback-storm", "customers"), ("deadlocks", "customers"), ("row-lock-chain", "customers"),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "victim"), FAULTS)
def test_the_second_culprit_is_named_too(seeded: Database, kind: str, victim: str) -> None:
    """The queryid ignores comments, and the entry keeps the text of the first execution."""
    names: list[str] = []
    with seeded.connect(Role.SUPERUSER) as connection:
        for culprit in ("branch-portal", "finance-report"):
            fault = Fault(kind=kind, victim=victim, culprits=(culprit,))
            for statement in MECHANISMS[kind].sql(fault).values():
                rows(connection, statement.sql, PARAMETERS)
                names.append(f"%'{statement.name}'%")
        [[queryids, named]] = rows(connection, NAMES, [names, names])
    assert queryids == named == len(names)
