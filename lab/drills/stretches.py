"""The file of recorded stretches, one JSON line each: minutes of `drill quiet`, and faults of judged drills.

Both append to `minutes.jsonl` in the state directory; `drill tune` reads such files, also of other labs.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from lab.drills.running import DrillFiles
from lab.foundation import statefile
from lab.foundation.errors import LabError
from lab.judge.tuning import Stretch

# About 6 kB for each minute without a fault: a day of them.
MAX_BYTES = 8_000_000
KEPT_LINES = 1_000


def append(place: DrillFiles, found: Stretch) -> None:
    """Add a stretch to the file of the lab; the oldest lines are dropped when it is too long."""
    path = place.minutes
    if path.exists() and path.stat().st_size > MAX_BYTES:
        lines = path.read_bytes().splitlines(keepends=True)
        statefile.write(path, b"".join(lines[-KEPT_LINES:]))
    statefile.append(path, msgspec.json.encode(found))


def read(path: Path) -> Iterator[Stretch]:
    """Yield the stretches of a file.

    Raises:
        LabError: when it cannot be read, or has a line of another form.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise LabError(
            f"{path} cannot be read: {error.strerror}.\n"
            "`./creditlab drill quiet` and judged drills write such a file."
        ) from None
    for number, line in enumerate(lines, start=1):
        try:
            yield msgspec.json.decode(line, type=Stretch)
        except (msgspec.DecodeError, ValueError) as error:
            raise LabError(f"{path}, line {number} is no recorded stretch: {error}") from None
