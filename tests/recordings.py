"""A small made-up recording in the format of lab/drills/recording.py: what a check sends around a fault.

Times are seconds from the proof of the fault; nothing here was recorded.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.drills.recording import EVENTS, SERIES
from lab.foundation import clock

HOST = "credit-lab-postgres"
TAGS = [f"database_instance:{HOST}", "env:lab", "port:5432"]
NS = 1_000_000_000
BEFORE_S, AFTER_S = -240, 200
ACTIVITY_S, CHECK_S = 10, 15


def proof_ns() -> int:
    """Thirty seconds after a whole minute, an hour ago: a monitor is evaluated 30 s later."""
    minute = 60 * NS
    return clock.now_ns() // minute * minute - 3600 * NS + 30 * NS


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A drill's run; its fault is active from the proof for `active_s`."""

    drill: str
    proven_ns: int
    active_s: float = 60.0
    pids: Sequence[int] = ()

    def holds(self, at_s: float) -> bool:
        return 0 <= at_s < self.active_s

    def document(self) -> dict[str, Any]:
        """The run, as an older version printed it."""
        run = {
            "run": "0123456789ab", "drill": self.drill, "intensity": 1.0, "injected_ns": self.proven_ns - NS,
            "proven_ns": self.proven_ns, "proof": "it is there", "pids": list(self.pids), "held": True,
            "healed_ns": self.proven_ns + round(self.active_s * NS), "verified": True,
        }  # fmt: skip
        return {"ok": True, "run": run, "verdicts": [], "other_alerts": []}


def write(
    directory: Path,
    fault: Fault,
    *,
    events: Iterable[Mapping[str, Any]],
    series: Iterable[Mapping[str, Any]],
) -> None:
    """Write the files of a recording."""
    (directory / f"{fault.drill}.json").write_text(json.dumps(fault.document()), encoding="utf-8")
    for name, lines in ((EVENTS, events), (SERIES, series)):
        with gzip.open(directory / name, "wt", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line)}\n" for line in lines)


def activity(
    fault: Fault,
    first_s: float,
    sessions: Mapping[int, Any],
    connections: Sequence[Mapping[str, Any]] = (),
) -> Iterator[dict[str, Any]]:
    """Activity events every 10 s, the first in the fault at `first_s`, with sessions while it is active."""
    idle = {"application_name": "credit-risk", "state": "idle", "usename": "credit_app",
            "datname": "creditdb", "connections": 2}  # fmt: skip
    at_s = first_s - (first_s - BEFORE_S) // ACTIVITY_S * ACTIVITY_S
    while at_s < AFTER_S:
        at_ms = fault.proven_ns / 1e6 + at_s * 1000
        yield {
            "at": at_ms / 1000, "track": "dbm-activity",
            "event": {
                "host": HOST, "ddagentversion": "7.85.4", "ddsource": "postgres", "dbm_type": "activity",
                "collection_interval": ACTIVITY_S, "timestamp": at_ms,
                "postgres_activity": [
                    {"pid": pid, "datname": "creditdb", "usename": "credit_app", "state": "active",
                     "application_name": "credit-drill", "backend_type": "client backend", **more}
                    for pid, more in sessions.items()
                ] if fault.holds(at_s) else [],
                "postgres_connections": [idle, *(connections if fault.holds(at_s) else ())],
            },
        }  # fmt: skip
        at_s += ACTIVITY_S


def metric(
    fault: Fault,
    name: str,
    first_s: int,
    during: float,
    *,
    otherwise: float = 0.0,
    kind: int = 3,
    without: Sequence[tuple[float, float]] = (),
    **tags: str,
) -> Iterator[dict[str, Any]]:
    """Points every 15 s with one value during the fault and another one otherwise; none `without`."""
    at_s = first_s - (first_s - BEFORE_S) // CHECK_S * CHECK_S
    while at_s < AFTER_S:
        if not any(begin <= at_s < end for begin, end in without):
            yield {
                "metric": f"postgresql.{name}", "host": HOST, "type": kind, "interval": CHECK_S,
                "tags": [*TAGS, *(f"{key}:{value}" for key, value in tags.items())],
                "value": during if fault.holds(at_s) else otherwise,
                "ts": fault.proven_ns // NS + at_s,
            }  # fmt: skip
        at_s += CHECK_S
