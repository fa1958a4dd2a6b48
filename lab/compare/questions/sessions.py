"""Questions about sessions and locks. Between two samples a stack knows nothing: that is its resolution."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from lab.compare.answers import Answer, Compared, Group, Parts, cannot
from lab.compare.questions.case import NO_TRUTH, Case, gauge_now, lag, of_truth
from lab.compare.readings import Key
from lab.compare.received import Metric
from lab.foundation.plural import plural
from lab.telemetry.store import ActivitySample

SESSIONS = Group.SESSIONS
# A session has samples only of scrapes at which it existed: the sum is divided by the number of scrapes.
ACTIVE = (
    'sum(sum_over_time(pg_stat_activity_count{state="active", usename!="postgres_exporter"}[WINDOW]))'
    " / max(count_over_time(pg_up[WINDOW]))"
)
STATE = "pg_stat_activity_count"
IDLE_IN_TRANSACTION = f'max_over_time(sum({STATE}{{state=~"idle in transaction.*"}})[WINDOW:10s])'
WAITING = "max_over_time(pg_blocked_sessions_count[WINDOW])"
OLDEST = 'max_over_time(max(pg_stat_activity_max_tx_duration{state!="disabled"})[WINDOW:10s])'
IDLE = "sum(pg_process_idle_seconds_sum) / sum(pg_process_idle_seconds_count)"
NO_SAMPLES = "the sessions were not sampled in the window"
WAIT = (
    "topk(1, sum by (wait_event_type, wait_event)"
    " (sum_over_time(wait_event:pg_active_sessions:sum[WINDOW])))"
)
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"


def compare(case: Case) -> Iterator[Compared]:
    """Yield questions about sessions, transactions and locks."""
    yield gauge_now(
        case, SESSIONS, "connections of the services", "",
        key=("sessions", "", "application"),
        series='pg_stat_activity_count{usename="credit_app"}',
        datadog=Metric(name="postgresql.connections", tags=("user:credit_app",)),
        points=True,
    )  # fmt: skip
    yield _used(case)
    yield _active(case)
    yield _most(
        case, "most sessions idle in transaction", unit="", column="idle_in_transaction",
        expr=IDLE_IN_TRANSACTION, of_samples=_idle_in_transaction,
    )  # fmt: skip
    yield _most(
        case, "most sessions that wait for a lock", unit="", column="waiting", expr=WAITING,
        of_samples=_waiting,
    )  # fmt: skip
    yield _most(
        case, "longest transaction", unit="s", column="oldest_transaction_s", expr=OLDEST,
        of_samples=_oldest,
    )  # fmt: skip
    yield _wait_event(case)
    yield _idle(case)
    yield _limit(case)
    yield _blocking(case)
    yield _oldest_statement(case)
    yield _lag(case)


def _used(case: Case) -> Compared:
    found = case.truth.ask("SELECT current_setting('max_connections')::float8")
    most = found[0][0] if found else None
    clients = case.readings.gauge(("sessions", "", "clients"))
    truth = cannot(case.truth.trouble or NO_TRUTH)
    if most and clients:
        truth = Answer(
            value=100 * clients.at(case.window.now_ns) / most, age_s=0.0, where="readings"
        )
    sent = case.datadog.gauge(Metric(name="postgresql.percent_usage_connections", scale=100.0))
    return Compared(
        group=SESSIONS,
        question="connections in use, of max_connections",
        unit="%",
        truth=truth,
        prometheus=case.prometheus.ask("100 * max(instance:pg_connections_used:ratio)"),
        datadog=sent[0]
        if sent
        else cannot(case.datadog.trouble or "no Agent sent postgresql.percent_usage_connections"),
    )


def _active(case: Case) -> Compared:
    """The mean of active sessions is exact in pg_stat_database since PostgreSQL 14; activity is sampled."""
    track, window = case.readings.counter((("database", "", "active_ms"),)), case.window
    truth = cannot(NO_TRUTH)
    if track:
        grown_ms = track.at(window.now_ns) - track.at(window.since_ns)
        truth = Answer(
            value=grown_ms / 1000 / window.seconds, age_s=0.0, resolution_s=1.0,
            where="pg_stat_database.active_time",
        )  # fmt: skip
    found = sum(
        one.backend_type == "client backend" and one.state == "active"
        for one in case.datadog.activity
    )
    rounds = case.datadog.rounds
    return Compared(
        group=SESSIONS,
        question="active sessions, mean",
        unit="",
        truth=truth,
        prometheus=_sampled(truth, case.prometheus.ask(ACTIVE)),
        datadog=_sampled(truth, case.datadog.sampled(found / len(rounds)))
        if rounds
        else cannot(case.datadog.trouble or NO_SAMPLES),
    )


def _sampled(truth: Answer, answer: Answer) -> Answer:
    """Attribute the whole error to the resolution: between two samples nothing is known."""
    if isinstance(truth.value, float) and isinstance(answer.value, float):
        return replace(answer, parts=Parts(resolution=answer.value - truth.value))
    return answer


def _most(
    case: Case,
    question: str,
    *,
    unit: str,
    column: str,
    expr: str,
    of_samples: Callable[[Case], float | None],
) -> Compared:
    """Compare the highest value in the window."""
    key: Key = ("sessions", "", column)
    track = case.readings.gauge(key)
    values = track.within(case.window.since_ns, case.window.now_ns) if track else ()
    truth = of_truth(max(values)) if values else cannot(NO_TRUTH)
    found = of_samples(case)
    return Compared(
        group=SESSIONS,
        question=f"{question} in the window",
        unit=unit,
        truth=truth,
        prometheus=_sampled(truth, case.prometheus.ask(expr)),
        datadog=_sampled(truth, case.datadog.sampled(found))
        if found is not None
        else cannot(case.datadog.trouble or NO_SAMPLES),
    )


def _by_round(case: Case, count: Callable[[ActivitySample], bool]) -> float | None:
    """Return the highest number of samples of a round that meet a condition."""
    if not case.datadog.rounds:
        return None
    found: dict[int, int] = {}
    for one in case.datadog.activity:
        found[one.at_ns] = found.get(one.at_ns, 0) + count(one)
    return float(max(found.values(), default=0))


def _idle_in_transaction(case: Case) -> float | None:
    values = case.datadog.values(Metric(name="postgresql.transactions.idle_in_transaction"))
    sampled = _by_round(case, lambda one: (one.state or "").startswith("idle in transaction"))
    return _highest([value for _, value in values], sampled)


def _waiting(case: Case) -> float | None:
    return _by_round(case, lambda one: one.wait_event_type == "Lock")


def _oldest(case: Case) -> float | None:
    values = case.datadog.values(Metric(name="postgresql.activity.xact_start_age"))
    ages = [
        (one.at_ns - one.xact_start_ns) / 1e9
        for one in case.datadog.activity
        if one.xact_start_ns and one.backend_type == "client backend"
    ]
    sampled = max(ages, default=0.0) if case.datadog.rounds else None
    return _highest([value for _, value in values], sampled)


def _highest(values: Sequence[float], other: float | None) -> float | None:
    known = [*values, *([] if other is None else [other])]
    return max(known, default=None)


def _wait_event(case: Case) -> Compared:
    """What active sessions waited for most often; sampling is all that any side has."""
    expr = WAIT.replace("WINDOW", f"{case.window.seconds:.0f}s")
    found = case.prometheus.now(expr)
    counted: dict[str, int] = {}
    for one in case.datadog.activity:
        if one.state == "active" and one.backend_type == "client backend":
            name = one.wait_event or "CPU"
            counted[name] = counted.get(name, 0) + 1
    top = max(counted, key=lambda name: counted[name], default=None)
    return Compared(
        group=SESSIONS,
        question="most frequent wait event of active sessions",
        unit="",
        truth=cannot("PostgreSQL 15 counts no wait events; every side samples"),
        prometheus=case.prometheus.answer(found[0].labels.get("wait_event", "CPU"), expr)
        if found
        else cannot(case.prometheus.trouble or "no active session at any scrape"),
        datadog=case.datadog.sampled(top or "none: no session was active at any sample")
        if case.datadog.rounds
        else cannot(case.datadog.trouble or NO_SAMPLES),
    )


def _idle(case: Case) -> Compared:
    track = case.readings.gauge(("sessions", "", "idle_s"))
    return Compared(
        group=SESSIONS,
        question="mean age of idle sessions",
        unit="s",
        truth=of_truth(track.at(case.window.now_ns) if track else None),
        prometheus=case.prometheus.ask(IDLE),
        datadog=cannot(
            "activity has no idle session; postgres_connections counts them, without age"
        ),
    )


def _limit(case: Case) -> Compared:
    sql = "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'credit_app'"
    return Compared(
        group=SESSIONS,
        question="connection limit of the role credit_app",
        unit="",
        truth=case.truth.answer(sql),
        prometheus=case.prometheus.ask('pg_roles_connection_limit{rolname="credit_app"}'),
        datadog=cannot("no metric of the check, and no event, has the limits of roles"),
    )


def _blocking(case: Case) -> Compared:
    waiting = case.truth.answer(BLOCKED)
    if isinstance(waiting.value, float):
        waiting = replace(waiting, value=f"{plural(waiting.value, 'session')} waiting")
    now = [sample for sample in case.datadog.last_samples if sample.blocking_pids]
    pairs = ", ".join(f"{s.pid} by {' '.join(map(str, s.blocking_pids))}" for s in now)
    return Compared(
        group=SESSIONS,
        question="which session blocks which, now",
        unit="",
        truth=waiting,
        prometheus=cannot("it counts waiting sessions; no series has the blocking ones"),
        datadog=case.datadog.sampled(pairs or "none")
        if case.datadog.rounds
        else cannot(case.datadog.trouble or NO_SAMPLES),
    )


def _oldest_statement(case: Case) -> Compared:
    sql = """SELECT coalesce(min(substring(query FROM 'statement=''([a-z_]+)''')), 'none') FROM (
        SELECT query FROM pg_stat_activity WHERE xact_start IS NOT NULL AND usename = 'credit_app'
        ORDER BY xact_start LIMIT 1) AS oldest"""
    found = case.truth.ask(sql)
    open_now = [one for one in case.datadog.last_samples if one.xact_start_ns]
    oldest = min(open_now, key=lambda one: one.xact_start_ns or 0, default=None)
    name = (oldest.statement or f"queryid {oldest.queryid}") if oldest else "none"
    return Compared(
        group=SESSIONS,
        question="statement of the oldest open transaction",
        unit="",
        truth=Answer(value=str(found[0][0]), where="pg_stat_activity")
        if found
        else cannot(case.truth.trouble or "PostgreSQL did not answer"),
        prometheus=cannot("it has the transaction's age; no series of sessions has a statement"),
        datadog=case.datadog.sampled(name)
        if case.datadog.rounds
        else cannot(case.datadog.trouble or NO_SAMPLES),
    )


def _lag(case: Case) -> Compared:
    exporter = case.prometheus.answer("")
    sampled = case.datadog.sampled("") if case.datadog.rounds else None
    return lag(
        SESSIONS,
        "sessions",
        (exporter, case.prometheus.trouble or "the exporter was not scraped"),
        (sampled, case.datadog.trouble or NO_SAMPLES),
    )
