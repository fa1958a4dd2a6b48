"""Retention under load: what is written grows without end, what is kept does not."""

from pathlib import Path

import pytest

from lab import verify
from lab.foundation.readiness import await_state
from tests.fix_postgres import Database
from tests.fix_workload import Process, ask, one, running_service

KEPT_SECONDS = 3.0
LOAD = 40.0
SOON_SECONDS = 60
READS = (
    "browse",
    "lookup",
    "statement",
    "risk_distribution",
    "product_performance",
    "delinquency_ageing",
)
KEPT = """
SELECT (SELECT count(*) FROM audit_log),
       (SELECT count(*) FROM credit_proposals, seed_manifest WHERE proposal_id > max_proposal_id),
       (SELECT count(*) FROM credit_contracts, seed_manifest WHERE contract_id > max_contract_id),
       (SELECT count(*) FROM installments, seed_manifest WHERE contract_id > max_contract_id)
"""
SEEDED_CONTRACTS = """
SELECT count(*) FROM credit_contracts, seed_manifest WHERE contract_id <= max_contract_id
"""


def await_operations(process: Process, count: float) -> None:
    def fewer() -> str | None:
        done = process.total("credit_operations_total")
        return None if done >= count else f"{done:.0f}"

    await_state(f"{count:.0f} operations are done", fewer, within_s=SOON_SECONDS)


@pytest.mark.timeout(180)
def test_under_load_the_rows_kept_reach_a_plateau(seeded: Database, tmp_path: Path) -> None:
    """Three times the operations leave no more rows behind, the books stay sound, the seed is all there.

    A few seconds of retention stand for the hours of a running lab, a high load of writes for its days.
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
        [early] = ask(seeded, KEPT)
        await_operations(process, 4500)
        [late] = ask(seeded, KEPT)
        written = one(
            seeded, "SELECT (SELECT sum(rows) FROM audit_summary) + count(*) FROM audit_log"
        )
        report = verify.run(seeded.settings, window_s=1.0)
    assert all(after < 1.5 * before + 100 for before, after in zip(early, late, strict=True))
    assert ask(seeded, SEEDED_CONTRACTS) == [contracts]
    assert written > 3 * late[0]
    assert [check for check in report.checks if check.ok is False] == []
