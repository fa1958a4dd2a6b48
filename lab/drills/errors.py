"""Errors of a drill itself, as opposed to the fault that it injects."""

from lab.foundation.errors import LabError


class DrillError(LabError):
    """The drill could not be run; see `./creditlab drill show NAME` for what it needs."""


class UnknownDrillError(DrillError):
    """Unknown drill; `./creditlab drill list` lists all."""


class NotHealedError(DrillError):
    """The drill's fault may still be present; `./creditlab drill stop` retries."""
