"""Retention under load: what is written grows without end, what is kept does not."""

from collections.abc import Sequence
from pathlib import Path

from lab import verify
from lab.foundation.readiness import await_state
from tests.fix_postgres import Database
from tests.fix_workload import Process, ask, running_service

KEPT_SECONDS = 3.0
LOAD = 40.0
SOON_SECONDS = 120
READS = (
    "browse",
    "lookup",
    "statement",
    "risk_distribution",
    "product_performance",
    "delinquency_ageing",
)
NEWEST = """
SELECT count(*) + (SELECT coalesce(sum(rows), 0) FROM audit_summary), max(at),
       (SELECT max(proposal_id) FROM credit_proposals), (SELECT max(contract_id) FROM credit_contracts)
FROM audit_log
"""
# What is left of the rows that were there at that moment, the seed's apart, which stay.
LEFT = """
SELECT (SELECT count(*) FROM audit_log WHERE at <= %s),
       (SELECT count(*) FROM credit_proposals WHERE proposal_id > max_proposal_id AND proposal_id <= %s),
       (SELECT count(*) FROM credit_contracts WHERE contract_id > max_contract_id AND contract_id <= %s)
FROM seed_manifest
"""
SEEDED_CONTRACTS = """
SELECT count(*) FROM credit_contracts, seed_manifest WHERE contract_id <= max_contract_id
"""


def await_operations(process: Process, count: float) -> None:
    def fewer() -> str | None:
        done = process.total("credit_operations_total")
        return None if done >= count else f"{done:.0f}"

    await_state(f"{count:.0f} operations are done", fewer, within_s=SOON_SECONDS)


def await_their_end(database: Database, newest: Sequence[object]) -> None:
    """Return when no row is left of those that were written before a moment."""

    def some() -> str | None:
        [left] = ask(database, LEFT, *newest)
        return f"audit records, proposals, contracts: {left}" if any(left) else None

    await_state("every row of that moment is archived", some, within_s=SOON_SECONDS)


def test_under_load_every_row_leaves(seeded: Database, tmp_path: Path) -> None:
    """Whatever was written is gone while the load goes on, the books stay sound, the seed is all there.

    A few seconds of retention stand for the hours of a running lab, a high load of writes for its days.
    No number of rows is expected: how many are written within the retention is the machine's speed.
    """
    settings = seeded.settings.model_copy(
        update={
            "workload_load": LOAD,
            "workload_retention_hours": KEPT_SECONDS / 3600,
            # Twice the default share, as a batch is small beside what so short a time keeps.
            "rate_archive": 0.4,
            **{f"rate_{name}": 0.0 for name in READS},
        }
    )
    [contracts] = ask(seeded, SEEDED_CONTRACTS)
    with running_service("all", settings, tmp_path, {"DD_TRACE_ENABLED": "false"}) as process:
        await_operations(process, 1500)
        [(written, *newest)] = ask(seeded, NEWEST)
        await_their_end(seeded, newest)
        [[archived]] = ask(seeded, "SELECT sum(rows)::bigint FROM audit_summary")
        report = verify.run(seeded.settings, window_s=1.0)
    assert ask(seeded, SEEDED_CONTRACTS) == [contracts]
    assert archived >= written > 0
    assert [check for check in report.checks if check.ok is False] == []
