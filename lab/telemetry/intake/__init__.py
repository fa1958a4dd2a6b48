"""Accepts what a Datadog Agent 7 and ddtrace send, and turns it into records for the store.

An additional endpoint, never in the way: the documented path from tracer to Agent to Datadog does not
depend on it. docs/intake.md lists the endpoints, the limits, and what was verified how.
"""

from lab.telemetry.intake.app import Gate, Telemetry, routes
from lab.telemetry.intake.errors import RejectedError
from lab.telemetry.intake.streams import STREAMS, Decoded, Stream

__all__ = ["STREAMS", "Decoded", "Gate", "RejectedError", "Stream", "Telemetry", "routes"]
