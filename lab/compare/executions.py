"""Questions about single executions: the slowest, its plan, its calling services, and percentiles."""

from collections.abc import Iterator

from lab.compare.answers import Answer, Compared, cannot
from lab.compare.intake import Datadog
from lab.compare.side import Prometheus, Seen, Truth

COUNT = "credit_statement_duration_seconds_count"
SUM = "credit_statement_duration_seconds_sum"


def compare(
    truth: Truth, seen: Seen, prometheus: Prometheus, datadog: Datadog
) -> Iterator[Compared]:
    """Yield what cannot be answered from sums."""
    yield _slowest(seen, datadog)
    seconds = truth.grown(SUM, "statement")
    if not seconds:
        return
    statement = max(seconds, key=lambda name: seconds[name])
    yield _who(statement, truth, prometheus, datadog)
    yield _plan(statement, seen, datadog)
    yield _percentile(statement, truth, prometheus)


def _slowest(seen: Seen, datadog: Datadog) -> Compared:
    span = seen.slowest_statement()
    truth = cannot("no span of a statement in the window")
    if span:
        truth = Answer(value=span.duration_ns / 1e6, where=seen.trace_link(span.trace_id))
    samples = [
        (sample.at_ns - sample.query_start_ns, sample)
        for sample in datadog.activity
        if sample.query_start_ns and sample.state == "active" and sample.role == "credit_app"
    ]
    sampled = cannot("no active session was sampled in the window")
    if samples:
        age_ns, sample = max(samples, key=lambda pair: pair[0])
        sampled = datadog.answer(age_ns / 1e6, resolution_s=1.0, at_ns=sample.at_ns)
    return Compared(
        question="slowest execution",
        unit="ms",
        truth=truth,
        prometheus=cannot(
            "pg_stat_statements has sums; exemplars of the services link to some traces"
        ),
        datadog=sampled,
    )


def _who(statement: str, truth: Truth, prometheus: Prometheus, datadog: Datadog) -> Compared:
    own = truth.grown(f'{COUNT}{{statement="{statement}"}}', "service")
    callers = {s.service for s in datadog.activity if s.statement == statement and s.service}
    callers |= {p.service for p in datadog.plans() if p.statement == statement and p.service}
    owners = prometheus.by_label(f'credit_statement_info{{statement="{statement}"}}', "service")
    return Compared(
        question=f"services that run {statement}",
        unit="",
        truth=Answer(value=", ".join(sorted(own)), where="the services' /metrics"),
        prometheus=prometheus.answer(f"{', '.join(sorted(owners))} (the owner of its code)")
        if owners
        else cannot("no name of this statement"),
        datadog=datadog.answer(", ".join(sorted(callers)), resolution_s=1.0)
        if callers
        else cannot("no sample or plan of it in the window"),
    )


def _plan(statement: str, seen: Seen, datadog: Datadog) -> Compared:
    sent = [plan for plan in datadog.plans() if plan.statement == statement]
    shapes = len({plan.shape for plan in sent})
    return Compared(
        question=f"plan of {statement}",
        unit="",
        truth=Answer(
            value=f"{seen.executed_plans(statement)} as executed, in the log", where="auto_explain"
        ),
        prometheus=cannot("no plan is in any series"),
        datadog=datadog.answer(
            f"{len(sent)} estimated, {shapes} different", resolution_s=60.0, at_ns=sent[-1].at_ns
        )
        if sent
        else cannot("no plan of it was sent in the window"),
    )


def _percentile(statement: str, truth: Truth, prometheus: Prometheus) -> Compared:
    window = f"{truth.window_s:.0f}s"
    bucket = f'credit_statement_duration_seconds_bucket{{statement="{statement}"}}[{window}]'
    found = prometheus.ask(f"1000 * histogram_quantile(0.95, sum by (le) (rate({bucket})))")
    return Compared(
        question=f"95th percentile of {statement}",
        unit="ms",
        truth=Answer(value=found.value, resolution_s=5.0, where="the services' histogram"),
        prometheus=cannot(
            "not from pg_stat_statements, which has sums; from the services' histogram"
        ),
        datadog=cannot("not from pg_stat_statements, which has sums; from APM's spans"),
    )
