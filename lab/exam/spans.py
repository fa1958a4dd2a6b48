"""The traces of a fault's services, as evidence that an answer may name."""

from contextlib import suppress
from typing import Any

from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.telemetry.store import Reader

TRACES = """
SELECT DISTINCT trace_id FROM spans WHERE service = ? AND start_ns BETWEEN ? AND ? LIMIT 2000"""


def traces(
    settings: LabSettings, services: tuple[str, ...], since_ns: int, until_ns: int
) -> tuple[str, ...]:
    """Return the ids of traces with spans of these services in a time range, sorted; none without a store."""
    reader = Reader(Paths.of(settings).store)
    found: list[tuple[Any, ...]] = []
    for service in services:
        with suppress(LabError):
            found += reader.rows(TRACES, (service, since_ns, until_ns))
    return tuple(sorted({trace for (trace,) in found}))
