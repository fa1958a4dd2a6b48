"""Seed data: three years of synthetic lending, loaded by COPY in one transaction."""

from lab.seed.progress import Progress, Step
from lab.seed.seeding import SeedConflictError, SeedReport, UnseededDataError, ensure

__all__ = [
    "Progress",
    "SeedConflictError",
    "SeedReport",
    "Step",
    "UnseededDataError",
    "ensure",
]
