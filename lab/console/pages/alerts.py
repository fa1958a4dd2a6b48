"""`/alerts`: the alerts that fire in Prometheus, and what Alertmanager has sent to the console."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from urllib.parse import quote

from starlette.requests import Request

from lab.clients.prometheus import PrometheusError
from lab.console.notifications import NotificationFile
from lab.console.pages.site import Page
from lab.drilldown import Drilldown
from lab.foundation import clock
from lab.foundation.addresses import reachable
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S, moment

ACTIVE = (
    'ALERTS_FOR_STATE{{severity!="none"}}'
    ' and ignoring (alertstate) ALERTS{{alertstate="{}", severity!="none"}}'
)
SHOWN = 100
# Alertmanager repeats Watchdog every five minutes.
WATCHDOG_LATE_S = 600
HIDDEN = {"__name__", "alertname", "severity"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Active:
    """One alert in Prometheus; `since` is when its condition began to hold."""

    name: str
    severity: str
    labels: Mapping[str, str]
    since: datetime
    firing: bool


def page(drilldown: Drilldown, request: Request) -> Page:
    """Show active alerts and received notifications, the latest first."""
    del request
    active, trouble = _active(drilldown)
    received = NotificationFile(Paths.of(drilldown.settings)).read()
    late = None
    if received.watchdog_ns is not None:
        late = (clock.now_ns() - received.watchdog_ns) / NS_PER_S > WATCHDOG_LATE_S
    values = {
        "active": active,
        "trouble": trouble,
        "notifications": [
            (moment(one.received_ns), one) for one in reversed(received.notifications[-SHOWN:])
        ],
        "watchdog": moment(received.watchdog_ns) if received.watchdog_ns else None,
        "late": late,
        "silence": partial(silence, drilldown.settings),
    }
    return Page(template="alerts.html", values=values)


def silence(settings: LabSettings, name: str, labels: Mapping[str, str]) -> str:
    """Return the command that silences an alert for two hours, with its labels."""
    address = f"http://{reachable(settings.bind_address)}:{settings.alertmanager_port}"
    matchers = " ".join(f"{key}={quote(value, safe=':/')}" for key, value in labels.items())
    command = f"amtool --alertmanager.url={address} silence add --duration=2h --comment='known'"
    return f"{command} alertname={name} {matchers}".strip()


def _active(drilldown: Drilldown) -> tuple[list[Active], str | None]:
    """Return the alerts, the firing ones first, and why there are none."""
    found = []
    try:
        for state in ("firing", "pending"):
            for series in drilldown.prometheus.now(ACTIVE.format(state)):
                labels = dict(series.labels)
                found.append(
                    Active(
                        name=labels.get("alertname", ""),
                        severity=labels.get("severity", ""),
                        labels={k: v for k, v in labels.items() if k not in HIDDEN},
                        since=moment(round(series.value * NS_PER_S)),
                        firing=state == "firing",
                    )
                )
    except PrometheusError as error:
        return [], str(error)
    return sorted(found, key=lambda alert: (not alert.firing, alert.since)), None
