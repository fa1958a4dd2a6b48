"""`POST /api/alerts`: the console as a receiver of Alertmanager, and the notifications that it has received.

The latest notifications are kept in a file of the state directory, so that the page Alerts has a history.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Annotated

import msgspec
from starlette.routing import Route

from lab.console.access import Access
from lab.console.answering import receiver
from lab.foundation import clock, statefile
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.statefile import DamagedError

PATH = "/api/alerts"
WATCHDOG = "Watchdog"
MAX_BYTES = 1_000_000
KEPT = 500
Text = Annotated[str, msgspec.Meta(max_length=2_000)]


class AlertOfWebhook(msgspec.Struct, rename="camel"):
    """One alert of Alertmanager's webhook, version 4; other fields are ignored."""

    status: Annotated[str, msgspec.Meta(pattern=r"\A(firing|resolved)\Z")]
    labels: dict[Text, Text]
    annotations: dict[Text, Text]
    starts_at: Text
    ends_at: Text = ""


class Webhook(msgspec.Struct):
    """The body of Alertmanager's webhook."""

    alerts: Annotated[list[AlertOfWebhook], msgspec.Meta(max_length=1_000)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """One alert as it was received; `received_ns` is nanoseconds since 1970, `started` RFC 3339."""

    received_ns: int
    name: str
    status: str
    severity: str
    labels: Mapping[str, str]
    summary: str
    started: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """The latest notifications, oldest first, and the time of the last Watchdog."""

    watchdog_ns: int | None = None
    notifications: tuple[Notification, ...] = field(default=())


class NotificationFile:
    """The notifications of one console; a damaged file counts as empty."""

    def __init__(self, paths: Paths) -> None:
        self._path: Path = paths.alerts / "received.json"
        self._lock = Lock()

    def read(self) -> Received:
        """Return what was received."""
        try:
            return statefile.read(self._path, Received) or Received()
        except DamagedError:
            return Received()

    def add(self, body: bytes) -> None:
        """Keep the alerts of a webhook.

        Raises:
            LabError: when the body is not that of Alertmanager's webhook.
        """
        try:
            alerts = msgspec.json.decode(body, type=Webhook).alerts
        except msgspec.DecodeError as error:
            raise LabError(f"The body is no webhook of Alertmanager: {error}.") from None
        now_ns = clock.now_ns()
        new = tuple(_notification(alert, now_ns) for alert in alerts)
        with self._lock:
            before = self.read()
            seen = any(one.name == WATCHDOG and one.status == "firing" for one in new)
            kept = (*before.notifications, *(one for one in new if one.name != WATCHDOG))
            statefile.write_json(
                self._path,
                Received(
                    watchdog_ns=now_ns if seen else before.watchdog_ns, notifications=kept[-KEPT:]
                ),
            )


def route(received: NotificationFile, access: Access) -> Route:
    """Return the receiver's route; Alertmanager sends the console's token."""
    return Route(PATH, receiver(access, MAX_BYTES, received.add), methods=["POST"])


def _notification(alert: AlertOfWebhook, now_ns: int) -> Notification:
    labels = dict(alert.labels)
    return Notification(
        received_ns=now_ns,
        name=labels.pop("alertname", ""),
        status=alert.status,
        severity=labels.pop("severity", ""),
        labels=labels,
        summary=alert.annotations.get("summary", ""),
        started=alert.starts_at,
    )
