"""Sends a drill to a Datadog account as an event; only where the keys are set."""

from lab.datadog.account import Account
from lab.datadog.api import Api
from lab.datadog.definitions import PROJECT
from lab.drills.drill import Drill
from lab.drills.runner import Run
from lab.foundation.timestamps import NS_PER_S


def announce(account: Account, drill: Drill, run: Run) -> None:
    """Post an event for a run, dated at its injection.

    Raises:
        LabError: when Datadog refuses or does not answer.
    """
    proof = f"Proven in PostgreSQL: {run.proof}" if run.proven_ns else f"Not proven: {run.proof}"
    seconds = (run.healed_ns - run.injected_ns) / NS_PER_S
    with Api(account) as api:
        api.event(
            title=f"Drill {drill.name}: {drill.title}",
            text=f"{proof}. Healed after {seconds:.0f} s. Runbook: docs/alerts.md#{drill.runbook.lower()}",
            at_s=run.injected_ns // NS_PER_S,
            tags=[PROJECT, f"drill:{drill.name}", f"run:{run.run}"],
        )
