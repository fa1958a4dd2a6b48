"""A recording of what an Agent sent while drills ran: replayed through the intake, and judged again.

A recording is a directory: `events.jsonl.gz` (lines with `track` and `event`, an element of a DBM stream),
`series.jsonl.gz` (lines with one point: metric, tags, host, type, interval, value, ts), and one `NAME.json`
for each run, as `drill run --json` prints it. Either of the two data files may be missing.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import msgspec

from lab.drills.assessment import Assessment, judged, window
from lab.drills.catalogue import DRILLS
from lab.drills.runner import Run
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.timestamps import NS_PER_S
from lab.judge.collect import from_store
from lab.judge.evidence import Evidence, Observer
from lab.judge.signals import Signal
from lab.telemetry import intake
from lab.telemetry.intake.errors import RejectedError
from lab.telemetry.store import Bounds, Reader, Record, Statement, Writer
from lab.telemetry.store.writer import Uncounted

EVENTS, SERIES = "events.jsonl.gz", "series.jsonl.gz"
PATHS = MappingProxyType(
    {
        "dbm-samples": "/api/v2/databasequery",
        "dbm-metrics": "/api/v2/dbmmetrics",
        "dbm-activity": "/api/v2/dbmactivity",
        "dbm-metadata": "/api/v2/dbmmetadata",
        "dbm-health": "/api/v2/dbmhealth",
    }
)
SERIES_PATH = "/api/v2/series"
# Lines of one body, as large as an Agent's.
BATCH = 500
COMMIT_S = 120.0
BOUNDS = Bounds(age_ns=10 * 365 * 86_400 * NS_PER_S, size_bytes=10**10)
TIMEOUT_S = 60.0
NOT_RECORDED = "not part of the recording"
WITHOUT = (Observer.METRICS, Observer.ALERTS, Observer.APM, Observer.LOG)


class RecordingError(LabError):
    """The recording cannot be read; docs/drills.md describes its files."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recording in a store: its reader, its runs in order of time, and its time range in nanoseconds."""

    reader: Reader
    runs: tuple[Run, ...]
    since_ns: int
    until_ns: int

    def evidence(self, signals: Sequence[Signal], *, since_ns: int, until_ns: int) -> Evidence:
        """Return the evidence of the observers whose data the recording has."""
        unavailable = dict.fromkeys(WITHOUT, NOT_RECORDED)
        begun = Evidence(since_ns=since_ns, until_ns=until_ns, unavailable=unavailable)
        return from_store(self.reader, signals, begun, {})

    def assessments(self) -> Iterator[Assessment]:
        """Yield the verdicts on each run, by the current rules."""
        for run in self.runs:
            drill = DRILLS[run.drill]
            since_ns, until_ns = window(drill, run)
            evidence = self.evidence(drill.signals, since_ns=since_ns, until_ns=until_ns)
            known = self.reader.select(Statement, limit=100_000)
            queryids = frozenset(
                one.queryid for one in known if one.name in drill.statements and one.queryid
            )
            yield judged(drill, run, evidence, queryids=queryids)


@contextmanager
def replayed(directory: Path) -> Iterator[Recording]:
    """Replay a recording into a temporary store, which is deleted at the end of the block.

    Raises:
        RecordingError: when a file is missing, or is not as documented.
    """
    runs = tuple(sorted(_runs(directory), key=lambda run: run.injected_ns))
    if not runs:
        raise RecordingError(f"{directory} has no run: a JSON document of `drill run --json`.")
    with TemporaryDirectory(prefix="creditlab-") as temporary:
        path = Path(temporary) / "store.sqlite"
        times = _Times()
        # The writer refuses records that are too old or of the future: it is given the recording's own time.
        last_ns = max((run.healed_ns for run in runs), default=0)
        with (
            clock.replaced(lambda: max(times.last_ns, last_ns)),
            Writer(path, BOUNDS, times) as writer,
        ):
            for body_path, body in _bodies(directory, times):
                writer.commit(_decoded(body_path, body), timeout_s=COMMIT_S)
        if times.last_ns == 0:
            raise RecordingError(f"{directory} has neither {EVENTS} nor {SERIES} with a line.")
        yield Recording(
            reader=Reader(path, timeout_s=TIMEOUT_S),
            runs=runs,
            since_ns=times.first_ns,
            until_ns=times.last_ns,
        )


class _Times(Uncounted):
    """The first and the last time of a recording; as the writer's telemetry it counts nothing."""

    first_ns, last_ns = 0, 0

    def saw(self, at_s: float) -> None:
        at_ns = round(at_s * NS_PER_S)
        self.first_ns = min(self.first_ns or at_ns, at_ns)
        self.last_ns = max(self.last_ns, at_ns)

    def lost(self, reason: str, records: int) -> None:
        """Records were lost: the recording could not be replayed in full."""
        raise RecordingError(f"{records} records of the recording could not be stored: {reason}")


def _runs(directory: Path) -> Iterator[Run]:
    for file in sorted(directory.glob("*.json")):
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            if not isinstance(found, dict) or "run" not in found:
                continue  # another document beside the runs
            document = found["run"]
            # Of an earlier version `verified` is a Boolean, which says nothing about the observers.
            document = {**document, "verified": None, "verify_says": ""}
            run = msgspec.convert(document, Run)
        except (ValueError, KeyError, TypeError) as error:
            raise RecordingError(
                f"{file} is no run, as `drill run --json` prints it: {error}"
            ) from None
        if run.drill not in DRILLS:
            raise RecordingError(
                f"{file} is of the drill {run.drill}, which this version does not have."
            )
        yield run


def _bodies(directory: Path, times: _Times) -> Iterator[tuple[str, bytes]]:
    for lines in _batches(_lines(directory / EVENTS)):
        by_path: dict[str, list[Any]] = {}
        for line in lines:
            if path := PATHS.get(line["track"]):
                by_path.setdefault(path, []).append(line["event"])
                times.saw(line["event"]["timestamp"] / 1000)
        yield from ((path, msgspec.json.encode(events)) for path, events in by_path.items())
    for lines in _batches(_lines(directory / SERIES)):
        for line in lines:
            times.saw(line["ts"])
        yield SERIES_PATH, msgspec.json.encode({"series": [_series(line) for line in lines]})


def _batches(lines: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    left = iter(lines)
    while batch := list(islice(left, BATCH)):
        yield batch


def _series(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "metric": line["metric"],
        "type": line.get("type", 0),
        "interval": line.get("interval", 0),
        "tags": line.get("tags", []),
        "points": [{"timestamp": line["ts"], "value": line["value"]}],
        "resources": [{"type": "host", "name": line.get("host", "")}],
    }


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    if not file.exists():
        return
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)
    except (OSError, EOFError, ValueError) as error:
        raise RecordingError(f"{file} cannot be read: {error}") from None


def _decoded(path: str, body: bytes) -> Sequence[Record]:
    try:
        return intake.STREAMS[path].decode(body).records
    except RejectedError as error:
        raise RecordingError(
            f"The intake refuses a part of the recording ({path}): {error}"
        ) from None
