"""Runs a comparison: all questions, with the answers of the components that run."""

from lab.compare import database, executions, processes, statements, traffic
from lab.compare.answers import Comparison
from lab.compare.costs import costs
from lab.compare.intake import Datadog
from lab.compare.resources import gathered
from lab.compare.side import Prometheus, Seen, Truth
from lab.foundation.settings import LabSettings


def run(settings: LabSettings, *, since_s: float, datadog: Datadog | None = None) -> Comparison:
    """Return every question with its answers.

    Args:
        settings: of the lab that runs.
        since_s: how far back the window begins, in seconds; it ends now.
        datadog: the Datadog side; None for the data in the intake.

    Raises:
        StoreError: when there is no store with the Agent's data.
    """
    prometheus, datadog = Prometheus(settings), datadog or Datadog(settings, since_s)
    truth, seen = Truth(settings, prometheus, since_s), Seen(settings, since_s)
    rows = (
        *statements.compare(truth, prometheus, datadog),
        *executions.compare(truth, seen, prometheus, datadog),
        *database.compare(truth, prometheus, datadog),
    )
    by_role, seconds = costs(truth)
    return Comparison(
        since_s=since_s,
        datadog=datadog.source,
        rows=rows,
        costs=by_role,
        costs_since_s=seconds,
        spent=gathered(processes.spent(settings), traffic.spent(settings, since_s=since_s)),
        absent=tuple(side.trouble for side in (truth, prometheus, datadog) if side.trouble),
    )
