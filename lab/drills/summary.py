"""The running drill and the latest verdicts, for Prometheus: from the state directory, or as reported."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from msgspec import UNSET

from lab.drills.history import History, latest
from lab.drills.journal import Step
from lab.drills.reporting import Detection, Detections, DrillReport, Name
from lab.drills.running import DrillFiles
from lab.foundation import statefile
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.statefile import DamagedError

MAX_BYTES = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The drill whose fault may be present, and the latest verdicts of each drill."""

    running: Name | None = None
    detections: Detections = ()


def detections(place: DrillFiles) -> tuple[Detection, ...]:
    """Return the verdicts of the latest judged run of each drill."""
    history = History(place)
    runs = latest([past for past in history.runs() if past.at(Step.VERDICT)])
    return tuple(
        Detection(
            drill=past.drill,
            observer=verdict.observer.value,
            seen=verdict.seen.value,
            after_s=verdict.after_s,
        )
        for past in runs
        if (assessment := history.judged(past))
        for verdict in assessment.verdicts
    )


class SummaryFile:
    """The summary of the console's own state directory, else the one that a runner elsewhere reported."""

    def __init__(self, paths: Paths) -> None:
        self._place = DrillFiles(paths)
        self._reported = paths.drills / "reported.json"
        self._known: tuple[tuple[object, ...], Summary] | None = None

    def update(self, body: bytes) -> None:
        """Keep the changed part of a report.

        Raises:
            LabError: when the body is no report.
        """
        try:
            report = msgspec.json.decode(body, type=DrillReport)
        except msgspec.DecodeError as error:
            raise LabError(f"The body is no report of drills: {error}.") from None
        summary = self._last_reported()
        if report.running is not UNSET:
            summary = replace(summary, running=report.running)
        if report.detections is not UNSET:
            summary = replace(summary, detections=report.detections)
        statefile.write_json(self._reported, summary)

    def read(self) -> Summary:
        """Return the summary; the files are parsed again only after a change."""
        files = (self._place.journal, self._place.state, self._reported)
        version = tuple(_version(file) for file in files)
        if self._known is None or self._known[0] != version:
            self._known = (version, self._read())
        return self._known[1]

    def _read(self) -> Summary:
        if not (self._place.journal.exists() or self._place.state.exists()):
            return self._last_reported()
        running = None
        with suppress(DamagedError):  # the drill commands report it
            running = self._place.read()
        return Summary(
            running=running.drill if running else None, detections=detections(self._place)
        )

    def _last_reported(self) -> Summary:
        with suppress(DamagedError):
            return statefile.read(self._reported, Summary) or Summary()
        return Summary()


def _version(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
