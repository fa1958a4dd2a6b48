"""Ground truth: counters of PostgreSQL and of the services' clocks, read by the lab itself each second."""

from typing import TYPE_CHECKING

from lab.foundation.facade import exports

if TYPE_CHECKING:
    from lab.telemetry.truth.readings import COLUMNS, Kind, Reading, decoded, encoded
    from lab.telemetry.truth.sampler import Sampler
else:
    __getattr__ = exports(__name__, "readings", "sampler")

__all__ = ["COLUMNS", "Kind", "Reading", "Sampler", "decoded", "encoded"]
