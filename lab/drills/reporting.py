"""Sends the running drill and the latest verdicts to a console that runs in a container.

Natively the console reads the state directory of the drills (lab/drills/summary.py). In Docker that directory
is on the host, so that the console would know of no drill.
"""

import http.client
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from lab.foundation.addresses import reachable
from lab.foundation.settings import LabSettings
from lab.stack import mode

PATH = "/api/drills/summary"
ANSWERED_WITHIN_S = 5.0
# A label value of Prometheus: names of drills, observers and verdicts.
Name = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z_-]{0,62}\Z")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Detection:
    """The verdict of the latest judged run of a drill; `after_s` is the seconds from proof to evidence."""

    drill: Name
    observer: Name
    seen: Name
    after_s: Annotated[float, msgspec.Meta(ge=0)] | None = None


Detections = Annotated[tuple[Detection, ...], msgspec.Meta(max_length=500)]


@dataclass(frozen=True, kw_only=True, slots=True)
class DrillReport:
    """What changed: the drill whose fault may be present, or the latest verdicts of all drills."""

    running: Name | UnsetType | None = UNSET
    detections: Detections | UnsetType = UNSET


def send(settings: LabSettings, report: DrillReport) -> None:
    """Send a report to a console that cannot read the journal; one that does not answer is no error."""
    backend = next(mode.running(settings), None)
    if backend is None or backend.has_store:
        return
    settings = backend.running_settings()
    token = settings.lab_console_token
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    connection = http.client.HTTPConnection(
        reachable(settings.bind_address), settings.console_port, timeout=ANSWERED_WITHIN_S
    )
    try:
        connection.request("PUT", PATH, msgspec.json.encode(report), headers)
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return
    finally:
        connection.close()
