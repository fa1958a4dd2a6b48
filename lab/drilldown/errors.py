"""Errors of the drilldown."""

from lab.foundation.errors import LabError


class MalformedIdError(LabError):
    """Not a trace id; expected: 32 hexadecimal digits, or a traceparent 00-<32>-<16>-01."""


class NotFoundError(LabError):
    """The store has no such trace or statement."""


class PendingTraceError(NotFoundError):
    """The trace began moments ago, and its spans have not arrived yet."""
