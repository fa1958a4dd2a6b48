"""Decodes an Agent's traces: protobuf, in the older and in the idx format."""

from collections.abc import Iterator, Mapping
from itertools import chain

from lab.telemetry import redact
from lab.telemetry.intake import idx
from lab.telemetry.intake.errors import collected, malformed, unread_form
from lab.telemetry.intake.limits import MAX_CHUNKS, MAX_SPAN_BYTES, MAX_SPANS
from lab.telemetry.intake.protobuf import message, newer_fields
from lab.telemetry.intake.spans import RawSpan, Redacted, chunk
from lab.telemetry.store import Record


def traces(body: bytes) -> list[Record]:
    """Decode an AgentPayload.

    Raises:
        RejectedError: when it cannot be decoded, or has its traces in a field that this module does not know.
    """
    payload = message("AgentPayload", body)
    if not (payload.tracerPayloads or payload.idxTracerPayloads):
        for number in newer_fields(payload):
            raise unread_form(f"field {number} of AgentPayload")
    older = (_tracer(tracer, payload.env) for tracer in payload.tracerPayloads)
    newer = (idx.tracer_payload(tracer, payload.env) for tracer in payload.idxTracerPayloads)
    return collected(chain(chain.from_iterable(older), chain.from_iterable(newer)))


def _tracer(data: bytes, env: str) -> Iterator[Record]:
    tracer = message("TracerPayload", data)
    if len(tracer.chunks) > MAX_CHUNKS:
        raise malformed(f"more than {MAX_CHUNKS} chunks")
    stated = {
        "env": tracer.env or env,
        "version": tracer.appVersion,
        "language": tracer.languageName,
    }
    common = {key: kept for key, value in stated.items() if (kept := redact.label(value))}
    redacted = Redacted()
    for part in tracer.chunks:
        yield from _chunk(part, common, redacted)


def _chunk(data: bytes, common: Mapping[str, str], redacted: Redacted) -> Iterator[Record]:
    spans = message("TraceChunk", data).spans
    if len(spans) > MAX_SPANS:
        raise malformed(f"more than {MAX_SPANS} spans in a chunk")
    yield from chunk(spans, _span, common, redacted)


def _span(data: bytes) -> RawSpan:
    if len(data) > MAX_SPAN_BYTES:
        raise malformed(f"a span of more than {MAX_SPAN_BYTES} bytes")
    span = message("Span", data)
    return RawSpan(
        service=span.service,
        name=span.name,
        resource=span.resource,
        trace_id=span.traceID,
        span_id=span.spanID,
        parent_id=span.parentID,
        start=span.start,
        duration=span.duration,
        error=span.error,
        meta=dict(span.meta),
        metrics=dict(span.metrics),
        kind=span.type,
    )
