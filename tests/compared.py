"""One minute of what the three sides of a comparison know, in which counters grow at a constant rate.

The samples are written into a real Prometheus, the names of statements are in a real PostgreSQL, and the data
of the Datadog side in a store: each answer is a product.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from lab.clients.database import Role, rows
from lab.compare.answers import Compared
from lab.compare.intake import Datadog
from lab.compare.questions.case import Case
from lab.compare.readings import Readings
from lab.compare.run import QUESTIONS
from lab.compare.side import PrometheusSide, TruthSide
from lab.compare.stages import Window
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.telemetry.intake.agent_metrics import series
from lab.telemetry.intake.metric_names import KEPT_METRICS, CheckType
from lab.telemetry.store import (
    ActivityRound,
    Bounds,
    MetricType,
    Record,
    Snapshot,
    Source,
    Writer,
)
from lab.telemetry.truth import COLUMNS
from lab.telemetry.truth.readings import Reading, Values
from tests import evidence
from tests.compared_series import prepared
from tests.evidence import START
from tests.fix_postgres import Database, free_port
from tests.fix_prometheus import running_prometheus
from tests.fix_store import HOUR_NS, Tally
from workload.clocks import bucket_of

S = 1_000_000_000
MS = 1_000_000
WINDOW = Window(since_ns=START, now_ns=START + 60 * S)
# Each with the factor of its growth.
SERVICES = {
    "credit-proposals": 1, "credit-underwriting": 2, "credit-customers": 3, "credit-servicing": 4,
    "credit-risk": 5,
}  # fmt: skip
FIRST = "risk_distribution"
# The names of statements, by server time: the first has most, the last has none.
NAMES = (FIRST, "second", "third", "fourth", "fifth", "sixth", "none")


def grows(second: float, kind: str, factor: float = 1.0) -> tuple[float, ...]:
    """A reading's columns: the first grows by `factor` a second, the second by twice as much, ..."""
    return tuple(1000 + factor * column * second for column in range(1, len(COLUMNS[kind]) + 1))


def reading(second: int, queryids: dict[str, int]) -> Reading:
    """The truth at a second of the window."""
    statements = {
        str(queryids[name]): grows(second, "statement", 7 - number if name != "none" else 0)
        for number, name in enumerate(NAMES)
    }
    clocks = {
        f"{service}/{kind}": grows(second, "clock", factor)
        for service, factor in SERVICES.items()
        for kind in ("operation/x", "operation/y", "error/x", "pool/p", f"statement/{FIRST}")
    }
    # This service did not run it in the window.
    clocks[f"credit-customers/statement/{FIRST}"] = (5.0, 1.0)
    named: Values = {
        "database": {"": grows(second, "database")},
        "server": {"": grows(second, "server")},
        "sessions": {"": (20.0, 2.0, 1.0 + (second == 30), 3.0, float(second), 7.0, 12.0)},
        "table": {
            name: grows(second, "table")
            for name in ("credit_proposals", "installments", "credit_transactions", "audit_log")
        },
        "statement": statements,
        "role": {name: grows(second, "role") for name in ("postgres_exporter", "datadog", "lab")},
        "size": {"": (9000.0, 2_000_000_000.0), "installments": (700.0, 0.0)},
        "clock": clocks,
    }
    begin_ns = START + second * S
    return Reading(begin_ns=begin_ns, end_ns=begin_ns + 10 * MS, values=named)


def buckets(second: int) -> dict[str, dict[int, int]]:
    """Of ten operations a second nine take 10 ms and one takes 1 s."""
    one = {bucket_of(0.01): 9 * second, bucket_of(1.0): second}
    return {f"credit-risk/{kind}": one for kind in ("operation/x", "start/x", f"statement/{FIRST}")}


def sent(name: str, value: float, *tags: str) -> Iterator[Record]:
    """A metric of the check with the same value each 15 s, the newest 3 s before the window's end."""
    kind = KEPT_METRICS[name]
    counts = kind is CheckType.MONOTONIC_COUNT
    points = [(START + at * S, value) for at in (12, 27, 42, 57)]
    yield from series(
        name, points, metric_type=MetricType.COUNT if counts else MetricType.GAUGE,
        interval_s=15.0, host="db", tags=list(tags),
    )  # fmt: skip


def received(queryids: dict[str, int], database: str) -> Iterator[Record]:
    """What Datadog's side received in the window."""
    for number, service, end_s, error in (
        (1, "credit-risk", 20, False), (2, "credit-risk", 40, True), (3, "credit-proposals", 55, False),
    ):  # fmt: skip
        root = evidence.root(
            number, service=service, error=error, ms=number * 100.0,
            start_ns=START + end_s * S - number * 100 * MS,
        )  # fmt: skip
        yield root
        yield evidence.statement(number, start_ns=root.start_ns, ms=number * 10.0)
    yield from deltas_received(queryids)
    yield from metrics_received(database)
    yield from sessions_received()
    yield from plans_received()


def deltas_received(queryids: dict[str, int]) -> Iterator[Record]:
    """Two rounds of statements of the application, one of two roles."""
    for number, name in enumerate(NAMES):
        for at in (10, 40):
            yield evidence.deltas(
                queryids[name], after_s=at, calls=number + 1, rows=10, exec_time_ms=2.0,
                shared_blks_hit=30,
            )  # fmt: skip
    for role in ("postgres_exporter", "datadog"):
        yield evidence.deltas(99, after_s=40, calls=70, exec_time_ms=80.0, role=role)


def metrics_received(database: str) -> Iterator[Record]:
    """All metrics of the check, of one table."""
    for name in (name for name in KEPT_METRICS if name.startswith("postgresql.")):
        yield from sent(
            name, 2.0, f"db:{database}", "table:installments", "user:credit_app", "schema:public"
        )


def sessions_received() -> Iterator[Record]:
    """Five rounds: three sessions wait in the third, and two are active in the last."""
    for at in (10, 20, 30, 40, 50):
        yield ActivityRound(
            at_ns=START + at * S, source=Source.EMBEDDED, interval_s=10.0, sessions=1
        )
    at_ns = START + 30 * S
    for pid in (1, 2, 3):
        yield evidence.sample(
            None, at_ns=at_ns, pid=pid, wait_event_type="Lock", wait_event="tuple",
            xact_start_ns=at_ns - pid * S,
        )  # fmt: skip
    yield evidence.sample(None, at_ns=at_ns, pid=4, state="idle in transaction", queryid=None)
    yield evidence.sample(
        None, at_ns=at_ns, pid=5, backend_type="parallel worker", xact_start_ns=at_ns - 99 * S,
        statement=FIRST,
    )  # fmt: skip
    last_ns = START + 50 * S
    for pid, age_s, name in ((1, 4, None), (2, 9, FIRST)):
        yield evidence.sample(
            None, at_ns=last_ns, pid=pid, blocking_pids=(7, 8) if pid == 1 else (), statement=name,
            xact_start_ns=last_ns - age_s * S, service="credit-risk" if name else None,
        )  # fmt: skip


def plans_received() -> Iterator[Record]:
    """Two estimated plans and an executed one; settings; two tables."""
    span = evidence.statement(1, start_ns=START + 20 * S)
    for executed, table in ((False, "a"), (False, "b"), (True, "c")):
        one = evidence.plan(span, executed=executed, table=table, ms=5.0, at_ns=START + 25 * S)
        yield replace(one, statement=FIRST, service="credit-customers")
    yield Snapshot(
        kind="pg_settings", host="h", at_ns=START, payload=json.dumps({"work_mem": "8192"})
    )
    for number, columns in enumerate(("ab", "cde")):
        payload = json.dumps({"columns": [{"name": name} for name in columns]})
        yield Snapshot(kind=f"table {number}", host="h", at_ns=START + number * S, payload=payload)


def stored(settings: LabSettings, *records: Record) -> Datadog:
    """Write what was received into a new store, and return the side that reads it."""
    bounds = Bounds(age_ns=HOUR_NS, size_bytes=10**9)
    with Writer(Paths.of(settings).store, bounds, Tally()) as writer:
        writer.commit(records, timeout_s=60)
    return Datadog(settings, WINDOW)


def answered(database: Database, state: Path) -> dict[str, Compared]:
    """Put every question to the three sides."""
    update = {
        "lab_state_dir": state, "exporter_port": free_port(),
        "prometheus_port": free_port(), "prometheus_retention": "2d",
    }  # fmt: skip
    settings = database.settings.model_copy(update=update)
    for number, name in enumerate(NAMES):
        with database.connect(Role.APP) as connection:
            rows(connection, f"SELECT {', '.join('1' * (number + 1))} /*statement='{name}'*/")
    known = {name: queryid for queryid, name in TruthSide(settings).names.items()}
    queryids = {name: known[name] for name in NAMES}
    datadog = stored(settings, *received(queryids, settings.postgres_db))
    with running_prometheus(
        settings, prepare=prepared(settings, SERVICES, queryids, FIRST)
    ) as running:
        settings = settings.model_copy(update={"prometheus_port": running.port})
        readings = Readings(
            [reading(second, queryids) for second in range(-5, 66)],
            [(START + at * S, partial(buckets, 1000 + at)) for at in (0, 10, 20, 30, 40, 50, 60)],
        )
        case = Case(
            window=WINDOW,
            readings=readings,
            truth=TruthSide(settings),
            prometheus=PrometheusSide(settings, WINDOW),
            aligned=PrometheusSide(settings, WINDOW),
            datadog=datadog,
        )
        found = [row for module in QUESTIONS for row in module.compare(case)]
        sides = (case.truth, case.prometheus, case.datadog, case.datadog.spans)
        assert [side.trouble for side in sides] == [None] * 4
    return {row.question: row for row in found}
