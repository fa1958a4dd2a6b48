"""Redaction of span tags and resources: an allow-list of keys; values by the rule for names.

An application may set any tag, so a key that is not listed here is not stored, nor a number as long as a
telephone number.
"""

import re
from collections.abc import Mapping
from math import isfinite

from lab.telemetry.redact.names import hashed, label
from lab.telemetry.redact.sql import statement

# Tags of the tracer, of the driver, and of workload/.
TAGS = frozenset({
    "_dd.base_service", "_dd.dbm_trace_injected", "_dd.measured", "_dd.origin", "_dd.p.dm", "_dd.p.tid",
    "_dd.top_level", "_sampling_priority_v1", "component", "credit.audit_rows", "credit.contracts",
    "credit.decision", "credit.installments", "credit.orders", "credit.outcome", "credit.product",
    "credit.products", "credit.proposals", "credit.reason", "credit.report_rows", "credit.resolved",
    "credit.score", "db.application", "db.instance", "db.name", "db.row_count", "db.rowcount", "db.system",
    "db.type", "db.user", "env", "error.type", "http.method", "http.route", "http.status_code", "language",
    "network.destination.name", "network.destination.port", "out.host", "out.port", "process_id",
    "runtime-id", "server.address", "span.kind", "sql.executemany", "version",
})  # fmt: skip
# Random values, not names; the higher half of a trace id has seconds since 1970 and eight zeros.
EXACT = {
    "_dd.p.tid": re.compile("[0-9a-f]{8}0{8}"),
    "runtime-id": re.compile("[0-9a-f]{32}"),
}
ROUTE = re.compile(r"(?P<method>[A-Z]{3,8} )?(?P<path>/[^?#\s]*)(?:[?#].*)?", re.DOTALL)
SQL_SYSTEMS = frozenset({"postgresql", "postgres", "mysql", "mariadb", "mssql", "oracle", "sqlite"})
MAX_CHARACTERS = 2_000
MOST_WHOLE, MOST_FRACTION = 10_000_000, 10_000


def tag(key: str, value: str) -> str | None:
    """Return a span tag's redacted value, or None when it must not be stored.

    >>> tag("db.user", "credit_app"), tag("customer.name", "x")
    ('credit_app', None)
    """
    if key not in TAGS:
        return None
    exact = EXACT.get(key)
    return value if exact and exact.fullmatch(value) else label(value)


def number(key: str, value: float) -> float | None:
    """Return a span's numeric tag, rounded, or None when it must not be stored."""
    if key not in TAGS or not isfinite(value):
        return None
    if value == int(value):
        return value if abs(value) < MOST_WHOLE else None
    return round(value, 3) if abs(value) < MOST_FRACTION else None


def resource(text: str, kind: str, meta: Mapping[str, str]) -> str:
    """Return a span's resource: a statement without literals, a route by its segments, or a name.

    >>> resource("GET /customers/<int:id>?cpf=1", "web", {})
    'GET /customers/<int:id>'
    """
    if kind == "sql" or meta.get("db.system") in SQL_SYSTEMS:
        return statement(text).text[:MAX_CHARACTERS]
    route = ROUTE.fullmatch(text[:MAX_CHARACTERS])
    if route is None:
        return label(text) or ""
    path = "/".join(label(segment) or "" for segment in route["path"].split("/"))
    # A personal number may be split over segments.
    return (route["method"] or "") + (path if label(path) == path else f"/{hashed(path)}")
