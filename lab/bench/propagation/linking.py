"""Which executions an observer can link to their spans, from the texts in PostgreSQL's log.

The log has the same text as pg_stat_activity, which an Agent samples. An execution is linked when its text
has the ids of a span that the client sent, and no earlier execution had the same.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lab.bench.propagation.cells import MARK, SqlSpan

# An execution in the simple protocol, and in the extended one, which also logs `parse` and `bind`.
EXECUTION = re.compile(r"duration: [0-9.]+ ms  (?:statement|execute [^:]*): ")
SPAN_ID = re.compile(r"traceparent='00-[0-9a-f]{32}-([0-9a-f]{16})-[0-9a-f]{2}'")
SERVICE = re.compile(r"\bddps='[^']+'")


@dataclass(frozen=True, kw_only=True, slots=True)
class Linked:
    """Shares of the executions, 0 to 1.

    Attributes:
        to_span: linked to its own span.
        to_service: the text names the service.
        claimed: the span's tag `_dd.dbm_trace_injected` reports that the text has its ids.
    """

    to_span: float
    to_service: float
    claimed: float


def executions(log: Iterable[bytes]) -> Iterator[str]:
    """Yield the text of each measured execution from lines of jsonlog.

    >>> line = '{"message": "duration: 0.1 ms  %s: SELECT 1 /*bench_propagation*/"}'
    >>> [len(list(executions([(line % kind).encode()]))) for kind in ("parse a", "execute a", "statement")]
    [0, 1, 1]
    """
    for line in log:
        if MARK.encode() not in line:
            continue
        message = json.loads(line).get("message", "")
        if found := EXECUTION.match(message):
            yield message[found.end() :]


def linked(texts: Sequence[str], spans: Sequence[SqlSpan]) -> Linked:
    """Return the shares of these executions; `spans` are those that the client sent for them."""
    sent = {span.span_id for span in spans}
    seen = {found[1] for text in texts if (found := SPAN_ID.search(text))}
    return Linked(
        to_span=len(seen & sent) / len(texts),
        to_service=sum(bool(SERVICE.search(text)) for text in texts) / len(texts),
        claimed=min(1.0, sum(span.injected for span in spans) / len(texts)),
    )
