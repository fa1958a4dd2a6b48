"""Reads the definitions of Datadog's monitors in datadog/monitors, in the format of its API.

What a definition contains beyond the documented subset is refused by name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lab.foundation.timestamps import NS_PER_S
from lab.judge.metric_query import Expression, UnsupportedQueryError, normalized, parse, selects

UNITS_S = MappingProxyType({"m": 60, "h": 3600})
WINDOW = r"last_(\d{1,4})([mh])"
NUMBER = r"-?\d+(?:\.\d+)?"
THRESHOLD = re.compile(rf"\s(>=|<=|>|<)\s*({NUMBER})\s*$")
SIMPLE = re.compile(rf"\s*(avg|sum|min|max)\({WINDOW}\):")
CHANGE = re.compile(rf"\s*pct_change\((avg|sum|min|max)\({WINDOW}\),\s*{WINDOW}\):")
CHECK = re.compile(
    r'"(?P<check>[\w.]+)"\.over\("(?P<over>[^"]+)"\)\.by\("(?P<by>[\w.-]+)"\)\.last\((?P<last>\d{1,3})\)'
    r"\.count_by_status\(\)"
)
# Options that do not change when a monitor alerts.
NEUTRAL = frozenset(
    {
        "thresholds", "on_missing_data", "renotify_interval", "renotify_statuses", "include_tags",
        "notify_audit", "require_full_window", "notify_no_data", "escalation_message", "locked",
    }
)  # fmt: skip
THRESHOLDS = frozenset({"critical", "critical_recovery", "ok", "warning"})
MISSING = frozenset({"default", "resolve", "show_no_data", "show_and_notify_no_data"})


@dataclass(frozen=True, kw_only=True)
class Monitor:
    """A metric monitor. `before_ns` is set for a change alert: the distance of the compared window."""

    name: str
    aggregator: str
    window_ns: int
    before_ns: int | None
    expression: Expression
    compare: str
    threshold: float
    recovery: float
    missing: str

    @property
    def reach_ns(self) -> int:
        """How far back an evaluation reads."""
        return self.window_ns + (self.before_ns or 0)

    @property
    def counts(self) -> bool:
        """Whether all series are counts: they are summed over the window before they are combined."""
        found = selects(self.expression)
        return bool(found) and all(select.as_count for select in found)


@dataclass(frozen=True, kw_only=True)
class CheckMonitor:
    """A monitor of a service check: so many runs in a row with a status change its state."""

    name: str
    check: str
    host: str
    by: str
    critical: int
    ok: int
    reach_ns: int = 5 * 60 * NS_PER_S


def read(name: str, definition: Mapping[str, Any]) -> Monitor | CheckMonitor:
    """Return the monitor of a definition in the format of Datadog's API.

    Raises:
        UnsupportedQueryError: the message names what the lab does not evaluate.
    """
    options: Mapping[str, Any] = definition.get("options") or {}
    for option in sorted(options.keys() - NEUTRAL):
        raise UnsupportedQueryError(f"unsupported option: {option}")
    if options.get("require_full_window"):
        raise UnsupportedQueryError("unsupported option: require_full_window")
    thresholds: Mapping[str, float] = options.get("thresholds") or {}
    for other in sorted(thresholds.keys() - THRESHOLDS):
        raise UnsupportedQueryError(f"unsupported threshold: {other}")
    query, kind = str(definition["query"]), definition.get("type")
    if kind == "service check":
        return _check_monitor(name, query, thresholds)
    if kind not in {"query alert", "metric alert"}:
        raise UnsupportedQueryError(f"unsupported type of monitor: {kind}")
    return _monitor(name, query, thresholds, str(options.get("on_missing_data", "default")))


def _monitor(name: str, query: str, thresholds: Mapping[str, float], missing: str) -> Monitor:
    limit = THRESHOLD.search(query)
    change, simple = CHANGE.match(query), SIMPLE.match(query)
    begin = change or simple
    if begin is None:
        raise UnsupportedQueryError(f"unsupported evaluation: {query.split(':', 1)[0][:60]}")
    if limit is None:
        raise UnsupportedQueryError("a query without a comparison (> >= < <=) at its end")
    if missing not in MISSING:
        raise UnsupportedQueryError(f"unsupported on_missing_data: {missing}")
    found = Monitor(
        name=name,
        aggregator=begin[1],
        window_ns=int(begin[2]) * UNITS_S[begin[3]] * NS_PER_S,
        before_ns=int(change[4]) * UNITS_S[change[5]] * NS_PER_S if change else None,
        expression=parse(query[begin.end() : limit.start()]),
        compare=limit[1],
        threshold=float(limit[2]),
        recovery=float(thresholds.get("critical_recovery", limit[2])),
        missing=missing,
    )
    as_counts = {select.as_count for select in selects(found.expression)}
    if len(as_counts) > 1 or (as_counts == {True} and found.aggregator != "sum"):
        raise UnsupportedQueryError("unsupported: as_count() with another aggregation than sum")
    if not as_counts:
        raise UnsupportedQueryError("a query without a metric")
    return found


def _check_monitor(name: str, query: str, thresholds: Mapping[str, float]) -> CheckMonitor:
    found = CHECK.fullmatch(query.strip())
    if found is None or not found["over"].startswith("host:"):
        raise UnsupportedQueryError(f"unsupported service check: {query[:60]}")
    return CheckMonitor(
        name=name,
        check=found["check"],
        host=normalized(found["over"].removeprefix("host:")),
        by=found["by"],
        critical=int(thresholds.get("critical", 1)),
        ok=int(thresholds.get("ok", 1)),
    )
