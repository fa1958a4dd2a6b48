"""Waits between two drills, until the first fault can no longer be mistaken for the second."""

import time

from lab.clients.prometheus import STEP_S, Prometheus, PrometheusError
from lab.drills.assessment import BEFORE_NS, FORGOTTEN_NS
from lab.drills.drill import Drill
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.readiness import NotReadyError, await_moment, await_state
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from lab.judge import collect_metrics
from lab.judge.collect import TIMEOUT_S
from lab.telemetry.store import SENT_TO_DATADOG, Reader, StoreError

# The judge's baseline ends at the injection, which follows this check: one rule evaluation more.
LOOK_BACK_NS = BEFORE_NS + 10 * NS_PER_S
# An alert resolves when the fault has left its one-minute rates and its rule was evaluated.
RESOLVES_WITHIN_S = 120.0


def settle(healed_ns: int, following: Drill, settings: LabSettings, reporter: Reporter) -> None:
    """Wait until 70 s after a heal, then until the alerts of the following drill are inactive.

    `healed_ns` is nanoseconds since 1970. Inactive is neither pending nor firing for 30 s, and for Datadog's
    monitors not in the state alert. An alert that is
    still active two minutes later is reported, and the run continues: its verdict becomes unknown.
    """
    reporter.begin("settle")
    await_moment(
        "the previous fault has left the rates", healed_ns + FORGOTTEN_NS, watch=reporter.wait
    )
    prometheus, monitors = Prometheus.of(settings), _Monitors(following, settings)
    try:
        await_state(
            f"the alerts of {following.name} are inactive",
            lambda: _active(following, prometheus) or monitors.active(),
            within_s=RESOLVES_WITHIN_S,
            watch=reporter.wait,
        )
    except NotReadyError as error:
        reporter.done("settle", str(error))
    else:
        reporter.done("settle")


class _Monitors:
    """Datadog's monitors of a drill, evaluated every few seconds: an evaluation reads much of the store."""

    EVERY_S = 5.0

    def __init__(self, drill: Drill, settings: LabSettings) -> None:
        self._names = drill.monitors
        self._reader = Reader(Paths.of(settings).store, timeout_s=TIMEOUT_S)
        self._next = 0.0
        self._last: str | None = None

    def active(self) -> str | None:
        """Return the monitors in the state alert, now or in the judge's baseline; None without one."""
        if self._names and time.monotonic() >= self._next:
            self._last = self._evaluated()
            self._next = time.monotonic() + self.EVERY_S
        return self._last

    def _evaluated(self) -> str | None:
        now_ns = clock.now_ns()
        try:
            found = collect_metrics.collect(
                self._reader,
                (),
                since_ns=now_ns - LOOK_BACK_NS,
                until_ns=now_ns,
                deltas_where=SENT_TO_DATADOG,
            )
        except StoreError:
            return None  # then their verdict is unknown
        active = [name for name in self._names if found.monitors[name].alerts]
        return ", ".join(f"monitor {name}" for name in active) or None


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
