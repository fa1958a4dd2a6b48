"""Scripted diagnosers: rules over the evidence tables of open doors, one set of rules for each observer.

The rules follow what the observers' own guides recommend to check: blocking sessions and top queries
(Database Monitoring), alerts and top statements (Prometheus), slow services and error spans (APM), lock
waits, deadlocks, temporary files and checkpoints (server log). They know the five services, and no
fault's definition.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from lab.exam.doors import Door
from lab.exam.evidence import Table
from lab.exam.form import MOST_EVIDENCE, REFERENCE, Answer, Finding
from lab.exam.vocabulary import NOTHING, SERVICES

Tables = Mapping[Door, Sequence[Table]]
Row = Mapping[str, Any]
SURE = 0.6
# A second finding needs this confidence.
SECOND = 0.8
# Thresholds over the five minutes of an evidence table; what is below also occurs without a fault.
# Seconds that a transaction is open.
LONG_S = 5.0
# Per execution.
SLOW_MS, QUICK_MS, TINY_MS = 250.0, 5.0, 1.0
MANY_CALLS, SOME_CALLS = 1500, 200
# Blocks of temporary files, and bytes of WAL.
MUCH_TEMP, MUCH_WAL = 500, 30_000_000
# Root spans of that duration; some slow ones are ordinary.
LATE_MS, MANY_LATE = 1500.0, 5
# One waiting session is ordinary.
SESSIONS_BLOCKED = 2
# A third of the connection limit of the role `credit_app`.
MANY_SESSIONS = 15
# Of a program that is not one of the services: share of a processor, and calls per second.
MUCH_CPU, CALLS_PER_S = 0.2, 20
# One or two error spans may be an accident; one checkpoint in five minutes is ordinary.
SOME_ERRORS, MANY_CHECKPOINTS = 2, 4
# credit-risk, the least frequent service, begins an operation each 16 s at load 1.
SILENT_S = 60.0
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the tables' times are UTC without a zone
# Statements of several services have this owner.
KNOWN = frozenset({*SERVICES, "shared", ""})
BUSY = 0.01
# A pending alert may never fire; data that is missing at one moment may be late. Neither is sure.
PENDING, ABSENT = 0.6, 0.55
# Alerts whose runbook names one cause.
ALERTS = MappingProxyType({
    "Deadlock": ("deadlocks", 0.9),
    "IdleInTransaction": ("idle-in-transaction", 0.7),
    "TempFileSpill": ("work-mem-spill", 0.9),
    "CheckpointPressure": ("checkpoint-pressure", 0.9),
    "RollbackStorm": ("rollback-storm", 0.9),
    "ConnectionsNearLimit": ("connection-exhaustion", 0.9),
    "DeadTuplesGrow": ("held-snapshot", 0.85),
    "ServiceDown": ("service-stopped", 0.95),
    "WorkloadLate": ("slow-application", 0.6),
    "SessionsBlocked": ("row-lock-chain", 0.65),
    "SequentialScanSurge": ("sequential-scans", 0.6),
    "ExporterBlind": ("exporter-stopped", 0.7),
    "StatementSlower": ("slow-query", 0.4),
})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Suspicion:
    """A possible finding with its weight, 0 to 1, and references that show it."""

    weight: float
    finding: Finding
    evidence: tuple[str, ...] = ()


def diagnose(tables: Tables) -> Answer:
    """Return the answer of the rules of all given doors; `nothing` when no rule applies."""
    by_kind: dict[str, dict[Door, list[Suspicion]]] = defaultdict(lambda: defaultdict(list))
    for door, rule in RULES.items():
        for suspicion in rule(tables[door]) if door in tables else ():
            by_kind[suspicion.finding.kind][door].append(suspicion)
    merged = sorted(map(_merged, by_kind.values()), key=lambda s: -s.weight)
    chosen = merged[:1] + [second for second in merged[1:2] if second.weight >= SECOND]
    if not chosen:
        return Answer(findings=(Finding(kind=NOTHING),), confidence=0.5)
    evidence = [r for each in chosen for r in each.evidence if REFERENCE.fullmatch(r)]
    return Answer(
        findings=tuple(each.finding for each in chosen),
        confidence=min(0.95, chosen[0].weight),
        evidence=tuple(dict.fromkeys(evidence))[: MOST_EVIDENCE // 2],
    )


def _merged(by_door: Mapping[Door, list[Suspicion]]) -> Suspicion:
    """Join what several observers suspect: the fields of the strongest, completed by the others.

    A second observer adds a tenth to the weight; further rows of the same observer add nothing.
    """
    ordered = sorted((s for found in by_door.values() for s in found), key=lambda s: -s.weight)

    def first(field: str) -> Any:
        return next((v for s in ordered if (v := getattr(s.finding, field))), "")

    finding = Finding(
        kind=ordered[0].finding.kind,
        object=first("object"),
        culprit=first("culprit"),
        chain=first("chain") or (),
    )
    evidence = tuple(reference for s in ordered for reference in s.evidence)
    weight = ordered[0].weight + 0.1 * (len(by_door) - 1)
    return Suspicion(weight=min(weight, 1.0), finding=finding, evidence=evidence)


def _rows(tables: Sequence[Table], place: int) -> list[Row]:
    if place >= len(tables):
        return []
    table = tables[place]
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def _suspect(kind: str, weight: float, name: object, who: object, *evidence: str) -> Suspicion:
    finding = Finding(kind=kind, object=str(name or ""), culprit=str(who or ""))
    return Suspicion(weight=weight, finding=finding, evidence=evidence)


def _datadog(tables: Sequence[Table]) -> Iterator[Suspicion]:
    metrics, samples = _rows(tables, 0), _rows(tables, 1)
    if not samples and not metrics:
        yield _suspect("agent-stopped", ABSENT, "datadog", "datadog")
        return
    yield from _blocking(samples)
    yield from _sessions(samples)
    for row in metrics:
        if row["service"] not in KNOWN and row["statement"]:
            yield from _of_statement(row)


def _blocking(samples: list[Row]) -> Iterator[Suspicion]:
    blockers = {str(r["pid"]): _pids(r["blocked by"]) for r in samples if _pids(r["blocked by"])}
    by_pid = {str(row["pid"]): row for row in samples}
    heads = Counter(pid for found in blockers.values() for pid in found if pid not in blockers)
    if len(blockers) < SESSIONS_BLOCKED or not heads:
        return
    head = heads.most_common(1)[0][0]
    row = by_pid.get(head, {})
    relation = any(str(by_pid[pid]["waits for"]).endswith("/relation") for pid in blockers)
    linked = any(set(found) & blockers.keys() for found in blockers.values())
    kind = "ddl-queue" if relation else "row-lock-chain" if linked else "idle-in-transaction"
    waiting = next(pid for pid, found in blockers.items() if head in found)
    yield Suspicion(
        weight=0.9,
        finding=Finding(
            kind=kind,
            object=str(row.get("statement") or ""),
            culprit=str(row.get("application") or head),
            chain=(waiting, head),
        ),
        evidence=(f"sample:{head}", f"sample:{waiting}"),
    )


def _pids(text: object) -> list[str]:
    return [
        part for part in str(text or "").strip("[]").replace(",", " ").split() if part.isdigit()
    ]


def _sessions(samples: list[Row]) -> Iterator[Suspicion]:
    for row in samples:
        long = float(row["transaction s"] or 0) > LONG_S
        if str(row["state"]).startswith("idle in transaction") and long:
            yield _suspect("idle-in-transaction", 0.7, row["statement"], row["application"],
                           f"sample:{row['pid']}")  # fmt: skip
    idle = Counter(row["application"] for row in samples if row["application"] not in SERVICES)
    for application, count in idle.items():
        if count > MANY_SESSIONS:
            yield _suspect("connection-exhaustion", 0.8, "credit_app", application)


def _of_statement(row: Row) -> Iterator[Suspicion]:
    name, who, plan = row["statement"], row["service"], f"plan:{row['queryid']}"
    calls, per_call = int(row["calls"] or 0), float(row["ms per call"] or 0)
    if int(row["temp blocks"] or 0) > MUCH_TEMP:
        yield _suspect("work-mem-spill", 0.9, name, who, plan)
    elif int(row["WAL bytes"] or 0) > MUCH_WAL:
        yield _suspect("checkpoint-pressure", 0.8, name, who, plan)
    elif calls > MANY_CALLS and per_call < TINY_MS:
        yield _suspect("n-plus-one", 0.7, name, who, plan)
    elif calls > SOME_CALLS and per_call < QUICK_MS * 4:
        yield _suspect("burst", 0.5, name, who, plan)
    elif per_call > SLOW_MS:
        yield _suspect("slow-query", 0.6, name, who, plan)
    elif per_call > QUICK_MS:
        yield _suspect("sequential-scans", 0.5, name, who, plan)


def _prometheus(tables: Sequence[Table]) -> Iterator[Suspicion]:
    labels = [
        [(_labels(row["labels"]), row["value"]) for row in _rows(tables, n)] for n in range(7)
    ]
    alerts, seconds, calls, sessions = labels[0], labels[1], labels[2], labels[3]
    foreign = [
        (found["statement"], found["service"])
        for found, value in seconds + calls
        if found.get("service", "") not in KNOWN and found.get("statement") and value > BUSY
    ]
    name, who = foreign[0] if foreign else ("", "")
    for found, _ in alerts:
        kind, weight = ALERTS.get(found.get("alertname", ""), ("", 0.0))
        if found.get("alertstate") == "pending":
            weight *= PENDING
        if kind:
            culprit = found.get("service") or found.get("application_name") or who
            yield _suspect(kind, weight, name or found.get("relname"), culprit, "series:ALERTS")
    for found, value in sessions:
        own = found.get("application_name")
        if own and own not in SERVICES and value > MANY_SESSIONS:
            yield _suspect("connection-exhaustion", 0.7, "credit_app", own,
                           "series:pg_stat_activity_count")  # fmt: skip
    for found, value in seconds:
        if found.get("service", "") not in KNOWN and value > MUCH_CPU:
            yield _suspect("slow-query", 0.5, found.get("statement"), found.get("service"),
                           "series:statement:pg_stat_statements_seconds:rate1m")  # fmt: skip
    for found, value in calls:
        if found.get("service", "") not in KNOWN and value > CALLS_PER_S:
            yield _suspect("n-plus-one", 0.55, found.get("statement"), found.get("service"),
                           "series:statement:pg_stat_statements_calls:rate1m")  # fmt: skip


def _labels(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in str(text).split(", "))
    return {key: value for key, _, value in pairs}


def _apm(tables: Sequence[Table]) -> Iterator[Suspicion]:
    resources, roots = _rows(tables, 0), _rows(tables, 1)
    last = {row["service"]: datetime.fromisoformat(row["last"]) for row in _rows(tables, 2)}
    newest = max(last.values(), default=None)
    for service in SERVICES:
        if newest and (newest - last.get(service, EPOCH)).total_seconds() > SILENT_S:
            yield _suspect("service-stopped", ABSENT, service, service)
    late = Counter(row["service"] for row in roots if float(row["ms"] or 0) > LATE_MS)
    for service, count in late.items():
        if count > MANY_LATE and service in SERVICES:
            yield _suspect("slow-application", 0.5, service, service)
    for row in resources:
        if row["service"] not in SERVICES:
            yield from _of_resource(row)


def _of_resource(row: Row) -> Iterator[Suspicion]:
    each = float(row["ms"] or 0) / max(int(row["spans"]), 1)
    trace = f"trace:{row['a trace']}"
    if str(row["resource"]).upper().startswith("ROLLBACK") and row["spans"] > SOME_CALLS:
        yield _suspect("rollback-storm", 0.85, "", row["service"], trace)
    elif row["spans"] > MANY_CALLS:
        yield _suspect("n-plus-one", 0.75, "", row["service"], trace)
    elif int(row["errors"] or 0) > SOME_ERRORS:
        yield _suspect("deadlocks", 0.5, "", row["service"], trace)
    elif each > SLOW_MS:
        yield _suspect("slow-query", 0.5, "", row["service"], trace)


def _log(tables: Sequence[Table]) -> Iterator[Suspicion]:
    events, executions = _rows(tables, 0), _rows(tables, 1)
    kinds = Counter(row["kind"] for row in events)
    for row in events:
        where = row["statement"], row["application"]
        reference = f"log:{row['time']}"
        if row["kind"] == "deadlock":
            yield _suspect("deadlocks", 0.95, *where, reference)
        elif row["kind"] == "temp_file" and row["application"] not in SERVICES:
            yield _suspect("work-mem-spill", 0.9, *where, reference)
        elif row["kind"] == "lock_wait":
            relation = "relation" in str(row["message"])
            kind = "ddl-queue" if relation else "row-lock-chain"
            yield _suspect(kind, 0.75, *where, reference)
        elif row["SQLSTATE"] == "53300":
            yield _suspect("connection-exhaustion", 0.85, "credit_app", "", reference)
    if kinds["checkpoint"] > MANY_CHECKPOINTS:
        yield _suspect("checkpoint-pressure", 0.7, "", "")
    for row in executions:
        if row["application"] not in SERVICES and float(row["ms"] or 0) > SLOW_MS:
            yield _suspect("slow-query", 0.6, row["statement"], row["application"],
                           f"log:{row['time']}", f"plan:{row['queryid']}")  # fmt: skip


RULES: Mapping[Door, Callable[[Sequence[Table]], Iterator[Suspicion]]] = MappingProxyType({
    Door.DATADOG: _datadog,
    Door.PROMETHEUS: _prometheus,
    Door.APM: _apm,
    Door.LOG: _log,
})  # fmt: skip
