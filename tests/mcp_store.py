"""A store for tools of the MCP server that are called directly: records in, one document out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import moment
from lab.mcp.sources import Sources
from lab.stack.backend import Mode
from lab.telemetry.store import Bounds, Record, Writer
from tests import evidence as of
from tests.fix_store import HOUR_NS, Tally

S = 1_000_000_000
# The window of most calls: two minutes until the whole minute of the records.
SINCE, UNTIL = of.START - 120 * S, of.START


def time(at_ns: int) -> str:
    """Return a whole second as the tools take it."""
    return f"{moment(at_ns):%Y-%m-%dT%H:%M:%SZ}"


def answered(at_ns: int) -> str:
    """Return a time as the tools answer it."""
    return f"{moment(at_ns):%Y-%m-%dT%H:%M:%S}.{at_ns // 1_000_000 % 1000:03d}Z"


START, END = time(SINCE), time(UNTIL)


@contextmanager
def holding(state: Path, *records: Record) -> Iterator[Sources]:
    """Store records of a lab that does not run."""
    settings = LabSettings(_env_file=None, lab_state_dir=state)
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(Paths.of(settings).store, bounds, Tally()) as writer:
        writer.commit(list(records), timeout_s=60)
        yield Sources(settings=settings, requested=Mode.NATIVE)
