"""Tools on the truth: injected faults with verdicts, the comparison of the observers, the invariants."""

import itertools
from typing import Annotated, Any

from pydantic import Field

from lab.compare.run import run
from lab.drills.history import History, Past
from lab.drills.running import DrillFiles
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.mcp.answer import at, compact
from lab.mcp.inputs import Limit
from lab.mcp.sources import Sources
from lab.mcp.tool import tool
from lab.verify import invariants

TIMEOUT_S = 30.0


class TruthTools:
    """Tools on what the lab itself knows. Read-only: none injects a fault or pauses a service."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    @tool("Injected faults and verdicts", truth=True)
    def truth_drills(self, limit: Limit = 10) -> dict[str, Any]:
        """List the latest runs of drills (injected faults), and each observer's verdict on each.

        Verdicts are seen, missed or unknown, with the time from the proof to the first evidence, and
        whether the observer named the statement, the culprit, the plan and the trace. Only runs on this
        machine.
        """
        history = History(DrillFiles(Paths.of(self._sources.running())))
        runs = itertools.islice(history.runs(), limit)
        return {"rows": [compact(_run(past, history)) for past in runs]}

    @tool("Both observers beside the truth", truth=True)
    def truth_compare(
        self,
        *,
        window_s: Annotated[
            float, Field(ge=60, le=86_400, description="Length of the window in s, up to now.")
        ] = 600.0,
    ) -> dict[str, Any]:
        """Compare the answers of Prometheus and of Datadog with the database itself; cost of observing.

        Each question has the truth, both answers, the age and the resolution of each, or the reason why
        an observer cannot answer. Takes some seconds.
        """
        self._sources.reader()  # not with a store in containers
        return dict(compact(run(self._sources.running(), since_s=window_s).to_json()))

    @tool("Invariants of money and customers", truth=True)
    def truth_invariants(self) -> dict[str, Any]:
        """Check the invariants of money and customers in one snapshot of the database, read-only.

        The part of `verify` that does not pause the services: it does not compare the services'
        counters. Result: ok, failed or unknown.
        """
        checks = list(invariants.check(self._sources.running(), timeout_s=TIMEOUT_S))
        outcome = Outcome.worst(check.outcome for check in checks)
        return {"result": outcome.value, "checks": compact(checks)}


def _run(past: Past, history: History) -> dict[str, Any]:
    judged = history.judged(past)
    return {
        "run": past.run,
        "drill": past.drill,
        "began": at(past.began_ns),
        "healed": None if past.healed_ns is None else at(past.healed_ns),
        "verdicts": list(judged.verdicts) if judged else None,
        "other_alerts": list(judged.other_alerts) if judged else None,
        "absent": None
        if judged
        else {"verdicts": "this run was not judged, or by another version"},
    }
