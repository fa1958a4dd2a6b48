"""Sends the running drill and the latest verdicts to a console that runs in a container.

Natively the console reads the state directory of the drills (lab/drills/summary.py). In Docker that directory
is on the host, so that the console would know of no drill.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from lab.clients import console
from lab.foundation.settings import LabSettings
from lab.stack import mode

PATH = "/api/drills/summary"
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
    console.put(backend.running_settings(), PATH, msgspec.json.encode(report))
