"""The inputs that several tools share: their types, limits and descriptions, as a model reads them."""

from typing import Annotated

from pydantic import Field

MAX_LIMIT = 500
MAX_TEXT = 200
MAX_PROMQL = 4_000

Start = Annotated[
    str | None,
    Field(
        max_length=40,
        description="Start of the time range: RFC 3339 (2026-01-31T09:30:00Z), or before the end (-15m).",
    ),
]
End = Annotated[
    str | None,
    Field(
        max_length=40,
        description="End of the time range: RFC 3339, or before now (-5m). Default: now.",
    ),
]
Limit = Annotated[
    int,
    Field(ge=1, le=MAX_LIMIT, description="Maximum number of rows."),
]
Cursor = Annotated[
    str | None,
    Field(
        max_length=400,
        description="next_cursor of the previous answer, with the same other arguments: the next rows.",
    ),
]
PromQL = Annotated[
    str,
    Field(min_length=1, max_length=MAX_PROMQL, description="A PromQL expression."),
]
QueryId = Annotated[
    str | None,
    Field(
        pattern=r"^-?[0-9]{1,20}$",
        description="queryid of pg_stat_statements as a string, such as -8637536096757576377.",
    ),
]
Statement = Annotated[
    str | None,
    Field(
        max_length=MAX_TEXT,
        description="Name of a statement (creditlab://statements), such as customer_by_cpf.",
    ),
]
Service = Annotated[
    str | None,
    Field(
        max_length=MAX_TEXT,
        description="Calling service (DD_SERVICE), such as credit-customers.",
    ),
]
TraceId = Annotated[
    str,
    Field(
        max_length=80,
        description="Trace id, 32 hexadecimal digits; a W3C traceparent (00-TRACE_ID-SPAN_ID-01) also works.",
    ),
]
SpanId = Annotated[
    str,
    Field(pattern=r"^[0-9a-fA-F]{16}$", description="Span id, 16 hexadecimal digits."),
]
Contains = Annotated[
    str | None,
    Field(max_length=MAX_TEXT, description="Only names that contain this text, in any case."),
]
