"""Waits between two drills, until the one before can no longer be taken for the fault of the next."""

from lab.clients.prometheus import STEP_S, Prometheus, PrometheusError
from lab.drills.assessment import BEFORE_NS, FORGOTTEN_NS
from lab.drills.drill import Drill
from lab.foundation.readiness import NotReadyError, await_moment, await_state
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S

# The judge looks back from the injection, which comes a moment after this has looked: an evaluation more.
LOOK_BACK_NS = BEFORE_NS + 10 * NS_PER_S
# An alert falls silent when its rates over a minute have forgotten the fault and its rule was evaluated.
SILENT_S = 120.0


def settle(healed_ns: int, following: Drill, settings: LabSettings, reporter: Reporter) -> None:
    """Wait until 70 s after a heal, then until the alerts of the following drill are silent.

    `healed_ns` is nanoseconds since 1970. Silent is neither pending nor firing for 30 s. One that is not
    within two minutes more is told and left: it makes a verdict unknown, not a run impossible.
    """
    reporter.begin("settle")
    await_moment("the fault before is forgotten", healed_ns + FORGOTTEN_NS, watch=reporter.wait)
    prometheus = Prometheus.of(settings)
    try:
        await_state(
            f"the alerts of {following.name} are silent",
            lambda: _heard(following, prometheus),
            within_s=SILENT_S,
            watch=reporter.wait,
        )
    except NotReadyError as error:
        reporter.done("settle", str(error))
    else:
        reporter.done("settle")


def _heard(drill: Drill, prometheus: Prometheus) -> str | None:
    if not drill.alerts:
        return None
    # Now, or as the judge will look: what fires shortly before a fault was there already.
    alerts = f'ALERTS{{alertname=~"{"|".join(drill.alerts)}"}}'
    try:
        heard = prometheus.now(
            f"{alerts} or last_over_time({alerts}[{LOOK_BACK_NS // NS_PER_S}s:{STEP_S}s])"
        )
    except PrometheusError as error:
        return str(error)
    return ", ".join(sorted({series.labels["alertname"] for series in heard})) or None
