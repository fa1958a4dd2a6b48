"""What may go wrong with a drill itself, as opposed to the fault that it makes."""

from lab.foundation.errors import LabError


class DrillError(LabError):
    """The drill could not be run; see `./creditlab drill show NAME` for what it needs."""


class UnknownDrillError(DrillError):
    """There is no such drill; `./creditlab drill list` shows them all."""


class NotHealedError(DrillError):
    """The drill's fault may still be there; `./creditlab drill stop` tries again."""
