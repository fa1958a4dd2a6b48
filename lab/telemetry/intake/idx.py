"""Decodes traces in the idx format (`idxTracerPayloads` of an AgentPayload), newer Agents' default.

Idx: text is sent as an index into the payload's table of strings. In contrast to the older format, a chunk
has the 128-bit trace id and the sampling priority, and a span has typed attributes.
"""

from collections.abc import Iterator, Mapping, Sequence

from lab.telemetry import redact
from lab.telemetry.intake.errors import malformed
from lab.telemetry.intake.limits import MAX_CHUNKS, MAX_SPANS, MAX_STRINGS
from lab.telemetry.intake.protobuf import message
from lab.telemetry.intake.spans import HIGH_BITS_TAG, RawSpan, Redacted, chunk
from lab.telemetry.store import Record

# SpanKind of OpenTelemetry; 0 is unspecified.
KINDS = ("", "internal", "server", "client", "producer", "consumer")
TRACE_ID_BYTES = 16
PRIORITY = "_sampling_priority_v1"


def tracer_payload(data: bytes, env: str) -> Iterator[Record]:
    """Yield the spans of one tracer payload.

    Args:
        data: an encoded idx.TracerPayload.
        env: the Agent's, for a tracer that has none.

    Raises:
        RejectedError: when it cannot be decoded, or refers to a string that is not in its table.
    """
    payload = message("IdxTracerPayload", data)
    if len(payload.chunks) > MAX_CHUNKS:
        raise malformed(f"more than {MAX_CHUNKS} chunks")
    if len(payload.strings) > MAX_STRINGS:
        raise malformed(f"more than {MAX_STRINGS} strings")
    texts = _Texts(payload.strings)
    stated = {
        "env": texts[payload.env] or env,
        "version": texts[payload.appVersion],
        "language": texts[payload.languageName],
    }
    common = {key: kept for key, value in stated.items() if (kept := redact.label(value))}
    redacted = Redacted()
    for part in payload.chunks:
        yield from _chunk(part, texts, common, redacted)


class _Texts:
    """The payload's table of strings; number 0 is the empty string."""

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = strings

    def __getitem__(self, number: int) -> str:
        if not number:
            return ""
        if number >= len(self._strings):
            raise malformed("a span refers to a string that is not in the table")
        return self._strings[number]


def _chunk(
    data: bytes, texts: _Texts, common: Mapping[str, str], redacted: Redacted
) -> Iterator[Record]:
    found = message("IdxTraceChunk", data)
    if len(found.spans) > MAX_SPANS:
        raise malformed(f"more than {MAX_SPANS} spans in a chunk")
    if len(found.traceID) != TRACE_ID_BYTES:
        raise malformed(f"a chunk's trace id must have {TRACE_ID_BYTES} bytes")
    # The older format has the high half, and the priority, as tags of the chunk's first span.
    first = ({HIGH_BITS_TAG: found.traceID[:8].hex()}, {PRIORITY: float(found.priority)})
    trace_id = int.from_bytes(found.traceID[8:])

    def read(numbered: tuple[int, bytes]) -> RawSpan:
        number, one = numbered
        return _span(one, trace_id, texts, *(({}, {}) if number else first))

    yield from chunk(list(enumerate(found.spans)), read, common, redacted)


def _span(
    data: bytes,
    trace_id: int,
    texts: _Texts,
    more_meta: Mapping[str, str],
    more_metrics: Mapping[str, float],
) -> RawSpan:
    span = message("IdxSpan", data)
    meta, metrics = _attributes(span.attributes, texts)
    named = {
        "env": texts[span.envRef],
        "version": texts[span.versionRef],
        "component": texts[span.componentRef],
        "span.kind": KINDS[span.kind] if 0 <= span.kind < len(KINDS) else "",
    }
    meta.update({key: value for key, value in named.items() if value})
    return RawSpan(
        service=texts[span.serviceRef],
        name=texts[span.nameRef],
        resource=texts[span.resourceRef],
        trace_id=trace_id,
        span_id=span.spanID,
        parent_id=span.parentID,
        start=span.start,
        duration=span.duration,
        error=int(span.error),
        meta={**meta, **more_meta},
        metrics={**metrics, **more_metrics},
        kind=texts[span.typeRef],
    )


def _attributes(
    found: Mapping[int, bytes], texts: _Texts
) -> tuple[dict[str, str], dict[str, float]]:
    """Split typed attributes into text and numbers; bytes, arrays and lists of pairs are ignored."""
    meta: dict[str, str] = {}
    metrics: dict[str, float] = {}
    for key, data in found.items():
        value = message("IdxValue", data)
        match value.WhichOneof("value"):
            case "text":
                meta[texts[key]] = texts[value.text]
            case "flag":
                meta[texts[key]] = str(value.flag).lower()
            case "number" | "integer" as kind:
                metrics[texts[key]] = float(getattr(value, kind))
    return meta, metrics
