"""Schema and decoder of the Agent's protobuf payloads, with the fields that the lab uses.

The schema is a table instead of generated code: a dozen fields, from the Agent's datadog.trace and metrics
payload definitions. Spans and chunks are declared as bytes, which have the same encoding, so that they are
counted before one is decoded.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from lab.telemetry.intake.errors import RejectedError, malformed
from lab.telemetry.intake.limits import MAX_FIELDS

Type = descriptor_pb2.FieldDescriptorProto.Type
STRING, BYTES = Type.TYPE_STRING, Type.TYPE_BYTES
UINT64, INT64, INT32, DOUBLE = Type.TYPE_UINT64, Type.TYPE_INT64, Type.TYPE_INT32, Type.TYPE_DOUBLE
# Wire types: variable length, length-delimited, fixed (by their bytes), begin and end of a group.
VARINT, LENGTH_DELIMITED = 0, 2
FIXED_BYTES = {1: 8, 5: 4}
GROUPS = {3, 4}
LONGEST_VARINT = 10
CONTINUES = 0x80
# Decoded, smaller messages use 40 MB of memory at most.
LARGE_BYTES = 1 << 20
UINT32, FIXED64, BOOL = Type.TYPE_UINT32, Type.TYPE_FIXED64, Type.TYPE_BOOL

# (field, number, type). A leading * means repeated, a leading | a member of the oneof `value`; a pair
# (key, value) as type is a map.
MESSAGES: dict[str, tuple[tuple[str, int, Any], ...]] = {
    "AgentPayload": (
        ("hostName", 1, STRING), ("env", 2, STRING), ("*tracerPayloads", 5, BYTES),
        ("agentVersion", 7, STRING), ("*idxTracerPayloads", 11, BYTES), ("APMMode", 12, STRING),
    ),
    "TracerPayload": (
        ("languageName", 2, STRING), ("tracerVersion", 4, STRING), ("*chunks", 6, BYTES),
        ("env", 8, STRING), ("hostname", 9, STRING), ("appVersion", 10, STRING),
    ),
    "TraceChunk": (("priority", 1, INT32), ("origin", 2, STRING), ("*spans", 3, BYTES)),
    "Span": (
        ("service", 1, STRING), ("name", 2, STRING), ("resource", 3, STRING), ("traceID", 4, UINT64),
        ("spanID", 5, UINT64), ("parentID", 6, UINT64), ("start", 7, INT64), ("duration", 8, INT64),
        ("error", 9, INT32), ("meta", 10, (STRING, STRING)), ("metrics", 11, (STRING, DOUBLE)),
        ("type", 12, STRING),
    ),
    "IdxTracerPayload": (
        ("*strings", 1, STRING), ("languageName", 3, UINT32), ("env", 8, UINT32),
        ("appVersion", 10, UINT32), ("*chunks", 12, BYTES),
    ),
    "IdxTraceChunk": (("priority", 1, INT32), ("*spans", 4, BYTES), ("traceID", 6, BYTES)),
    "IdxSpan": (
        ("serviceRef", 1, UINT32), ("nameRef", 2, UINT32), ("resourceRef", 3, UINT32),
        ("spanID", 4, FIXED64), ("parentID", 5, UINT64), ("start", 6, FIXED64),
        ("duration", 7, UINT64), ("error", 8, BOOL), ("attributes", 9, (UINT32, BYTES)),
        ("typeRef", 10, UINT32), ("envRef", 13, UINT32), ("versionRef", 14, UINT32),
        ("componentRef", 15, UINT32), ("kind", 16, INT32),
    ),
    "IdxValue": (
        ("|text", 1, UINT32), ("|flag", 2, BOOL), ("|number", 3, DOUBLE), ("|integer", 4, INT64),
        ("|bytes", 5, BYTES), ("|array", 6, BYTES), ("|pairs", 7, BYTES),
    ),
    "MetricPayload": (("*series", 1, BYTES),),
    "MetricSeries": (
        ("*resources", 1, BYTES), ("metric", 2, STRING), ("*tags", 3, STRING),
        ("*points", 4, BYTES), ("type", 5, INT32), ("interval", 8, INT64),
    ),
    "MetricPoint": (("value", 1, DOUBLE), ("timestamp", 2, INT64)),
    "MetricResource": (("type", 1, STRING), ("name", 2, STRING)),
}  # fmt: skip


def _declare() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="lab/intake.proto", package="lab.intake", syntax="proto3"
    )
    for name, declared in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in declared:
            _add(message, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"lab.intake.{name}"))
        for name in MESSAGES
    }


def _add(message: descriptor_pb2.DescriptorProto, field: str, number: int, kind: Any) -> None:
    label = descriptor_pb2.FieldDescriptorProto.Label
    repeats = field.startswith("*") or isinstance(kind, tuple)
    added = message.field.add(
        name=field.lstrip("*|"),
        number=number,
        label=label.LABEL_REPEATED if repeats else label.LABEL_OPTIONAL,
    )
    if isinstance(kind, tuple):
        entry = message.nested_type.add(name=f"{field[0].upper()}{field[1:]}Entry")
        entry.options.map_entry = True
        for place, (part, part_kind) in enumerate(zip(("key", "value"), kind, strict=True), 1):
            entry.field.add(name=part, number=place, type=part_kind, label=label.LABEL_OPTIONAL)
        added.type = Type.TYPE_MESSAGE
        added.type_name = f".lab.intake.{message.name}.{entry.name}"
    else:
        added.type = kind
    if field.startswith("|"):
        if not message.oneof_decl:
            message.oneof_decl.add(name="value")
        added.oneof_index = 0


_classes = _declare()


def message(name: str, data: bytes) -> Any:
    """Decode a message of the table.

    Raises:
        RejectedError: when the bytes cannot be decoded.
    """
    if len(data) > LARGE_BYTES:
        _require_few_fields(data)
    decoded: Message = _classes[name]()
    try:
        decoded.ParseFromString(data)
    except DecodeError as error:
        raise malformed(f"not a {name} in protobuf") from error
    return decoded


def _require_few_fields(data: bytes) -> None:
    """Count fields without decoding them: a field of two bytes may use ninety bytes of memory.

    Raises:
        RejectedError: 413 for more than MAX_FIELDS.
    """
    position, size = 0, len(data)
    for _ in range(MAX_FIELDS):
        if position >= size:
            return
        tag, position = _varint(data, position)
        kind = tag & 7
        if kind == VARINT:
            _, position = _varint(data, position)
        elif kind == LENGTH_DELIMITED:
            length, position = _varint(data, position)
            position += length
        elif kind in FIXED_BYTES:
            position += FIXED_BYTES[kind]
        elif kind not in GROUPS:
            return  # not protobuf: the decoder refuses it
    if position < size:
        raise RejectedError(413, "too_many", f"more than {MAX_FIELDS} fields in one message")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the number at a position, and the position after it; beyond the end, zero."""
    value = shift = 0
    for byte in data[position : position + LONGEST_VARINT]:
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < CONTINUES:
            return value, position
        shift += 7
    return 0, len(data)


def newer_fields(decoded: Any) -> Iterator[int]:
    """Yield the numbers of unknown fields above those of the table that are messages or texts."""
    newest = max(decoded.DESCRIPTOR.fields_by_number)
    fields: Any = UnknownFieldSet(decoded)
    for field in fields:
        if field.field_number > newest and field.wire_type == LENGTH_DELIMITED:
            yield field.field_number
