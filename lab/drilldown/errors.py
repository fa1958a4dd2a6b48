"""What can go wrong when somebody asks for a trace or a statement."""

from lab.foundation.errors import LabError


class MalformedIdError(LabError):
    """This is no trace id: 32 hexadecimal digits, or a traceparent 00-<32>-<16>-01, are expected."""


class NotFoundError(LabError):
    """The store holds no such trace or statement."""
