"""Seed data: three years of synthetic lending, loaded by COPY in one transaction."""

from typing import TYPE_CHECKING

from lab.foundation.facade import exports

if TYPE_CHECKING:
    from lab.seed.progress import Progress, Step
    from lab.seed.seeding import SeedConflictError, SeedReport, UnseededDataError, ensure
else:
    __getattr__ = exports(__name__, "progress", "seeding")

__all__ = [
    "Progress",
    "SeedConflictError",
    "SeedReport",
    "Step",
    "UnseededDataError",
    "ensure",
]
