"""The intake: HTTP endpoints for the payloads of Datadog Agent 7 and ddtrace, which it decodes for the store.

An additional endpoint: the documented path from tracer to Agent to Datadog does not depend on it.
docs/intake.md lists the endpoints, the limits, and how each was verified.
"""

from typing import TYPE_CHECKING

from lab.foundation.facade import exports

if TYPE_CHECKING:
    from lab.telemetry.intake.app import Gate, Telemetry, routes
    from lab.telemetry.intake.decoded import Decoded
    from lab.telemetry.intake.errors import RejectedError
    from lab.telemetry.intake.streams import STREAMS, Stream
else:
    __getattr__ = exports(__name__, "errors", "decoded", "streams", "app")

__all__ = ["STREAMS", "Decoded", "Gate", "RejectedError", "Stream", "Telemetry", "routes"]
