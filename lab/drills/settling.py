"""Waits between two drills, until the first fault can no longer be mistaken for the second."""

from lab.clients.prometheus import STEP_S, Prometheus, PrometheusError
from lab.drills.assessment import BEFORE_NS, FORGOTTEN_NS
from lab.drills.drill import Drill
from lab.foundation.readiness import NotReadyError, await_moment, await_state
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S

# The judge's baseline ends at the injection, which follows this check: one rule evaluation more.
LOOK_BACK_NS = BEFORE_NS + 10 * NS_PER_S
# An alert resolves when the fault has left its one-minute rates and its rule was evaluated.
RESOLVES_WITHIN_S = 120.0


def settle(healed_ns: int, following: Drill, settings: LabSettings, reporter: Reporter) -> None:
    """Wait until 70 s after a heal, then until the alerts of the following drill are inactive.

    `healed_ns` is nanoseconds since 1970. Inactive is neither pending nor firing for 30 s. An alert that is
    still active two minutes later is reported, and the run continues: its verdict becomes unknown.
    """
    reporter.begin("settle")
    await_moment(
        "the previous fault has left the rates", healed_ns + FORGOTTEN_NS, watch=reporter.wait
    )
    prometheus = Prometheus.of(settings)
    try:
        await_state(
            f"the alerts of {following.name} are inactive",
            lambda: _active(following, prometheus),
            within_s=RESOLVES_WITHIN_S,
            watch=reporter.wait,
        )
    except NotReadyError as error:
        reporter.done("settle", str(error))
    else:
        reporter.done("settle")


def _active(drill: Drill, prometheus: Prometheus) -> str | None:
    if not drill.alerts:
        return None
    # Now, or in the judge's baseline: an alert that fires shortly before a fault is not due to it.
    alerts = f'ALERTS{{alertname=~"{"|".join(drill.alerts)}"}}'
    try:
        active = prometheus.now(
            f"{alerts} or last_over_time({alerts}[{LOOK_BACK_NS // NS_PER_S}s:{STEP_S}s])"
        )
    except PrometheusError as error:
        return str(error)
    return ", ".join(sorted({series.labels["alertname"] for series in active})) or None
