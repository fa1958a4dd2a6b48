"""The modes of tracing, as settings of ddtrace; the first one is the untraced load.

Full propagation without the engine is the upper bound of the traced engine: the driver alone, traced alike.
"""

from collections.abc import Mapping
from dataclasses import replace

from lab.bench.overhead.modes import Mode

PROPAGATION = "DD_DBM_PROPAGATION_MODE"
RULES = "DD_TRACE_SAMPLING_RULES"
STATISTICS = {"DD_TRACE_STATS_COMPUTATION_ENABLED": "true"}


def _traced(name: str, what: str, *, mode: str, more: Mapping[str, str] | None = None) -> Mode:
    return Mode(name=name, what=what, tracing=True, environment={PROPAGATION: mode, **(more or {})})


def _sampled(share: str) -> dict[str, str]:
    return {RULES: f'[{{"sample_rate": {share}}}]'}


OFF = Mode(name="off", what="psycopg2 without ddtrace", profiled=True)
FULL = replace(
    _traced("full", "spans, and a comment with service and traceparent", mode="full"),
    profiled=True,
)
FLOOR = replace(FULL, name="driver, full", what="as full, without the engine", bare=True)
MODES = (
    OFF,
    _traced("spans only", "spans without a comment", mode="disabled"),
    _traced("service", "spans, and a comment with the service", mode="service"),
    FULL,
    _traced("full, 0.1", "as full, one of 10 traces kept", mode="full", more=_sampled("0.1")),
    _traced("full, 0.01", "as full, one of 100 kept", mode="full", more=_sampled("0.01")),
    _traced(
        "full, 0.01, stats",
        "as before, and the tracer computes the statistics and sends only kept traces",
        mode="full",
        more=_sampled("0.01") | STATISTICS,
    ),
    FLOOR,
)
