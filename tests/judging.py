"""A fault and its signals by hand, and the verdict of one observer on some evidence."""

from dataclasses import replace

from lab.clients.prometheus import Alert, Series
from lab.foundation import clock
from lab.foundation.timestamps import NS_PER_S
from lab.judge.evidence import Evidence, Observer, Truth
from lab.judge.signals import Deltas, Events, Metric, Sessions, Spans
from lab.judge.verdicts import Verdict, judge
from lab.telemetry.store import ActivitySample, QueryMetrics, Source

NS = NS_PER_S
# A whole minute: signals count by intervals of ten seconds.
T0 = clock.now_ns() // (60 * NS) * (60 * NS)
INJECTED, PROVEN, HEALED = T0 + 60 * NS, T0 + 61 * NS, T0 + 121 * NS
TRUTH = Truth(
    drill="row-lock-chain",
    injected_ns=INJECTED,
    proven_ns=PROVEN,
    healed_ns=HEALED,
    statements=frozenset({"lock_customers"}),
    queryids=frozenset({42}),
    services=frozenset({"credit-drill"}),
    pids=frozenset({100}),
)
EXPR = "pg_blocked_sessions_count"
METRIC = Metric(says="blocked sessions", expr=EXPR, above=2)
BLOCKED = Sessions(says="blocked", above=0, like=lambda s: bool(s.blocking_pids))
CALLS = Deltas(says="calls", above=100, measure=lambda d: d.calls)
FAILED = Spans(says="failed spans", above=0, like=lambda s: s.error)
WAITS = Events(says="lock waits", above=0, like=lambda e: e.kind == "lock_wait")
SIGNALS = (METRIC, BLOCKED, CALLS, FAILED, WAITS)
ALERTS = ("SessionsBlocked", "LongLockWait")
FRESH = dict.fromkeys(Observer, HEALED)
EMPTY = Evidence(since_ns=T0, until_ns=HEALED + 30 * NS, last_data_ns=FRESH)


def verdict(observer: Observer, evidence: Evidence, truth: Truth = TRUTH) -> Verdict:
    [found] = [v for v in judge(evidence, truth, SIGNALS, ALERTS) if v.observer is observer]
    return found


def series(*points: tuple[float, float], **labels: str) -> Evidence:
    """Return evidence of one series: seconds since the beginning, and values."""
    made = tuple((T0 + round(at * NS), value) for at, value in points)
    return replace(EMPTY, series={EXPR: (Series(labels=labels, points=made),)})


def session(at_s: float, pid: int, **fields: object) -> ActivitySample:
    empty = dict.fromkeys(ActivitySample.__dataclass_fields__)
    known = {"at_ns": T0 + round(at_s * NS), "source": Source.EMBEDDED, "pid": pid}
    return ActivitySample(**{**empty, "blocking_pids": (), **known, **fields})  # type: ignore[arg-type]


def delta(at_s: float, queryid: int, calls: int) -> QueryMetrics:
    zeros = dict.fromkeys(QueryMetrics.__dataclass_fields__, 0)
    known = {"source": Source.EMBEDDED, "database": "creditdb", "role": "credit_app"}
    at = {"at_ns": T0 + round(at_s * NS), "signature": f"{queryid:x}", "queryid": queryid}
    return QueryMetrics(**{**zeros, **known, **at, "calls": calls})  # type: ignore[arg-type]


def alert(name: str, pending_s: float | None, firing_s: float | None, **labels: str) -> Alert:
    def at(seconds: float | None) -> int | None:
        return None if seconds is None else T0 + round(seconds * NS)

    return Alert(name=name, labels=labels, pending_ns=at(pending_s), firing_ns=at(firing_s))
