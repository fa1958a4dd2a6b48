"""SQL comments: ddtrace's, which identifies the span, and the workload's, which names the statement.

Both are lists of `key='value'`. ddtrace writes `ddps` (the calling service), `dde`, `ddpv` and
`traceparent`; workload/statements.py writes `service` and `statement` (sqlcommenter's form).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from lab.telemetry.redact.names import label

# Possessive, and only at the start of a word: linear for any text.
PAIR = re.compile(r"(?<![A-Za-z_])([A-Za-z_]{1,64}+)='((?:[^'\\]|\\.){0,400}+)'", re.DOTALL)
# Names of services, environments, versions and statements. Any other value is not a name.
NAME = re.compile(
    r"[A-Za-z_][\w.:/-]{0,99}|\d{1,5}(?:\.\d{1,5}){0,3}(?:[-+][\w.]{1,30})?", re.ASCII
)
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
NO_TRACE, NO_SPAN = "0" * 32, "0" * 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Comment:
    """The values in a statement's comments; None for a missing one.

    Attributes:
        trace_id: 32 lower-case hexadecimal digits.
        span_id: 16 lower-case hexadecimal digits, of the span of this execution.
        service: the calling service (`ddps`).
        env: the environment (`dde`).
        version: the version of the caller (`ddpv`).
        statement: the statement's name, from the workload's comment.
        owner: the service that the statement belongs to, from the workload's comment.
    """

    trace_id: str | None = None
    span_id: str | None = None
    service: str | None = None
    env: str | None = None
    version: str | None = None
    statement: str | None = None
    owner: str | None = None


NOTHING = Comment()


def comments(bodies: Iterable[str]) -> Comment:
    """Parse the bodies of a statement's comments; the first of two equal keys counts.

    >>> comments(["ddps='credit-risk',traceparent='00-" + "a" * 32 + "-" + "b" * 16 + "-01'"]).service
    'credit-risk'
    """
    found: dict[str, str] = {}
    for body in bodies:
        for key, value in PAIR.findall(body):
            found.setdefault(key, unquote(value))
    if not found:
        return NOTHING
    trace_id, span_id = _ids(found.get("traceparent", ""))
    return Comment(
        trace_id=trace_id,
        span_id=span_id,
        service=_name(found.get("ddps")),
        env=_name(found.get("dde")),
        version=_name(found.get("ddpv")),
        statement=_name(found.get("statement")),
        owner=_name(found.get("service")),
    )


def render(comment: Comment) -> list[str]:
    """Return comments with the parsed values only, as in DBM's `metadata.comments`.

    >>> comments(render(Comment(service="credit-risk", statement="a"))).statement
    'a'
    """
    traceparent = f"00-{comment.trace_id}-{comment.span_id}-01" if comment.trace_id else None
    tracer = {
        "dde": comment.env, "ddps": comment.service, "ddpv": comment.version, "traceparent": traceparent,
    }  # fmt: skip
    own = {"service": comment.owner, "statement": comment.statement}
    texts = (",".join(f"{k}='{v}'" for k, v in keys.items() if v) for keys in (tracer, own))
    return [f"/*{text}*/" for text in texts if text]


def _name(value: str | None) -> str | None:
    return label(value) if value is not None and NAME.fullmatch(value) else None


def _ids(traceparent: str) -> tuple[str, str] | tuple[None, None]:
    """Return trace id and span id; none for ids of zeros, which a disabled tracer writes."""
    found = TRACEPARENT.fullmatch(traceparent)
    if found is None or found[1] == NO_TRACE or found[2] == NO_SPAN:
        return None, None
    return found[1], found[2]
