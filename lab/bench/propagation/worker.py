"""A process of the benchmark: `python -m lab.bench.propagation.worker DRIVER`, one driver in one mode.

It reads its addresses and then its jobs from standard input, a line of JSON each, and answers each job with a
line. ddtrace reads the mode from the environment.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from time import process_time
from typing import Any

import ddtrace
from ddtrace.trace import TraceFilter, tracer

from lab.bench.propagation.cells import STATEMENTS, Address, Done, Job, SqlSpan
from lab.bench.propagation.drivers import CONNECT, INTEGRATIONS, Session

KEYS = 100
INJECTED = "_dd.dbm_trace_injected"


class _Kept(TraceFilter):
    """Keeps the ids of spans of statements while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.spans: list[SqlSpan] = []

    def process_trace(self, trace: list[Any]) -> list[Any]:
        if self.on:
            self.spans += [
                SqlSpan(span_id=f"{one.span_id:016x}", injected=one.get_tag(INJECTED) == "true")
                for one in trace
                if one.span_type == "sql"
            ]
        return trace


def main() -> None:
    """Connect by every route, and run jobs until standard input ends."""
    driver = sys.argv[1]
    ddtrace.patch(**dict.fromkeys(INTEGRATIONS[driver], True))
    kept = _Kept()
    tracer.configure(trace_processors=[kept])
    addresses = json.loads(sys.stdin.readline())
    sessions = {route: CONNECT[driver](Address(**one)) for route, one in addresses.items()}
    for line in sys.stdin:
        done = _run(sessions, Job(**json.loads(line)), kept)
        sys.stdout.write(json.dumps(asdict(done)) + "\n")
        sys.stdout.flush()


def _run(sessions: Mapping[str, Session], job: Job, kept: _Kept) -> Done:
    kept.spans, kept.on = [], job.spans
    keys = [1 + number % KEYS for number in range(job.executions // len(STATEMENTS))]
    cpu = process_time()
    latencies = sessions[job.route].run(keys)
    return Done(latencies_s=latencies, cpu_s=process_time() - cpu, spans=kept.spans)


if __name__ == "__main__":
    main()
