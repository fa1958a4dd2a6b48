"""Ground truth: counters of PostgreSQL and of the services' clocks, read by the lab itself each second."""

from lab.telemetry.truth.readings import COLUMNS, Kind, Reading, decoded, encoded
from lab.telemetry.truth.sampler import INTERVAL_S, Sampler

__all__ = ["COLUMNS", "INTERVAL_S", "Kind", "Reading", "Sampler", "decoded", "encoded"]
