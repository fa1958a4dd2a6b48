"""Questions about statements: server time from PostgreSQL itself, the callers' time from their clocks."""

from collections.abc import Iterator

from lab.compare.answers import Answer, Compared, Group, cannot
from lab.compare.intake import APPLICATION, queryids_of
from lab.compare.questions.case import Case, Leg, counter, lag, mean_of, of_truth, quantile_row
from lab.compare.questions.load import mean_of_services
from lab.compare.spans import quantile
from lab.compare.stages import Observed
from lab.foundation.timestamps import NS_PER_S

MOST = 5
CALLERS = 3
# Column of DBM's deltas and of the truth, series of the exporter, and its factor to the unit.
SERVER = {
    "calls": ("calls", "calls", "calls_total", 1.0),
    "server time": ("exec_time_ms", "ms", "seconds_total", 1000.0),
    "rows": ("rows", "rows", "rows_total", 1.0),
    "blocks requested": ("shared_blks_hit", "hits", "shared_blocks_hit_total", 1.0),
}


def top(case: Case) -> list[str]:
    """Return the names of the application's statements with the most server time in the window."""
    names, found = case.truth.names, dict[str, float]()
    for queryid in case.readings.names("statement"):
        track = case.readings.counter((("statement", queryid, "ms"),))
        name = names.get(int(queryid))
        if track and name:
            grown = track.at(case.window.now_ns) - track.at(case.window.since_ns)
            found[name] = found.get(name, 0.0) + grown
    return sorted((name for name, ms in found.items() if ms > 0), key=lambda name: -found[name])


def compare(case: Case) -> Iterator[Compared]:
    """Yield questions about the statements with the most server time."""
    names = top(case)
    for name in names[:MOST]:
        calls, time = _leg(case, name, "calls"), _leg(case, name, "server time")
        yield counter(case, Group.STATEMENTS, f"calls of {name}", "", calls)
        yield counter(case, Group.STATEMENTS, f"server time of {name}", "ms", time)
        yield counter(
            case,
            Group.STATEMENTS,
            f"mean server time of {name}",
            "ms",
            time,
            calls,
            formula=mean_of,
        )
        yield counter(case, Group.STATEMENTS, f"rows of {name}", "", _leg(case, name, "rows"))
    for name in names[:CALLERS]:
        yield _callers_mean(case, name)
        yield _callers_percentile(case, name)
    if names:
        blocks = _leg(case, names[0], "blocks requested")
        yield counter(case, Group.STATEMENTS, f"blocks found in cache by {names[0]}", "", blocks)
        yield _who(case, names[0])
    yield _slowest(case)
    yield _lag(case)


def _leg(case: Case, name: str, measure: str) -> Leg:
    column, own, series, series_scale = SERVER[measure]
    queryids = queryids_of(case.truth.names, name)
    pattern = "|".join(map(str, sorted(queryids)))
    return Leg(
        keys=tuple(
            ("statement", str(queryid), own)
            for queryid in sorted(queryids)
            if str(queryid) in case.readings.names("statement")
        ),
        series=f'pg_stat_statements_{series}{{user="{APPLICATION}",queryid=~"{pattern}"}}',
        datadog=lambda datadog: datadog.statement(queryids, column),
        series_scale=series_scale,
    )


def _clocks(case: Case, name: str) -> list[str]:
    end = f"/statement/{name}"
    return sorted(one for one in case.readings.names("clock") if one.endswith(end))


def _callers_mean(case: Case, name: str) -> Compared:
    def leg(service: str, column: str, suffix: str, scale: float) -> Leg:
        return Leg(
            keys=(("clock", f"{service}/statement/{name}", column),),
            series=f'credit_statement_duration_seconds_{suffix}{{service="{service}",statement="{name}"}}',
            datadog="",
            scale=scale,
            series_scale=scale,
        )

    durations = case.datadog.statement_durations(name)
    datadog = cannot(case.datadog.trouble or "no span of it in the window")
    if durations:
        datadog = case.datadog.from_spans(sum(durations) / len(durations) / 1e6)
    services = [clock.partition("/")[0] for clock in _clocks(case, name)]
    legs = [leg(service, "seconds", "sum", 1000.0) for service in services]
    legs += [leg(service, "count", "count", 1.0) for service in services]
    return counter(
        case, Group.STATEMENTS, f"mean caller's time of {name}", "ms", *legs,
        formula=mean_of_services, datadog=datadog,
    )  # fmt: skip


def _callers_percentile(case: Case, name: str) -> Compared:
    durations = case.datadog.statement_durations(name, aligned=True)
    return quantile_row(
        case,
        Group.STATEMENTS,
        f"95th percentile of {name}, caller's time",
        q=0.95,
        clocks=_clocks(case, name),
        bucket=f'credit_statement_duration_seconds_bucket{{statement="{name}"}}',
        datadog=case.datadog.from_spans(quantile(durations, 0.95))
        if durations
        else cannot(case.datadog.trouble or "no span of it in the window"),
    )


def _who(case: Case, name: str) -> Compared:
    """The services that ran a statement in the window."""
    window = case.window
    callers = []
    for clock in _clocks(case, name):
        track = case.readings.counter((("clock", clock, "count"),))
        if track and track.at(window.now_ns) > track.at(window.since_ns):
            callers.append(clock.partition("/")[0])
    counted = case.prometheus.by_label(
        f'sum by (service) (increase(credit_statement_duration_seconds_count{{statement="{name}"}}'
        f"[{window.seconds:.0f}s])) > 0",
        "service",
    )
    sampled = case.datadog.callers(name)
    return Compared(
        group=Group.STATEMENTS,
        question=f"services that run {name}",
        unit="",
        truth=Answer(value=", ".join(sorted(callers)), where="the services' clocks")
        if callers
        else cannot("no service ran it in the window"),
        prometheus=case.prometheus.answer(", ".join(sorted(counted)))
        if counted
        else cannot(case.prometheus.trouble or "no series of it"),
        datadog=case.datadog.sampled(", ".join(sorted(sampled)))
        if sampled
        else cannot(case.datadog.trouble or "no sample, plan or span of it in the window"),
    )


def _slowest(case: Case) -> Compared:
    window = case.aligned.window
    names = [name for name in case.readings.names("clock") if "/statement/" in name]
    exact = case.readings.quantile(1.0, names, since_ns=window.since_ns, until_ns=window.now_ns)
    span = case.datadog.slowest()
    return Compared(
        group=Group.STATEMENTS,
        question="slowest execution, caller's time",
        unit="ms",
        truth=of_truth(None if exact is None else 1000 * exact),
        prometheus=cannot("a histogram has the bucket of the slowest execution, not its duration"),
        datadog=case.datadog.from_spans(span)
        if span is not None
        else cannot(case.datadog.trouble or "no span of a statement in the window"),
    )


def _lag(case: Case) -> Compared:
    found = case.prometheus.counter(f'pg_stat_statements_calls_total{{user="{APPLICATION}"}}')
    newest = case.datadog.role(APPLICATION, "calls")

    def aged(seen: Observed | None) -> Answer | None:
        if seen is None:
            return None
        return Answer(age_s=round((case.window.now_ns - seen.newest_ns) / NS_PER_S, 1))

    return lag(
        Group.STATEMENTS,
        "statements",
        (aged(found), case.prometheus.trouble or "no series of statements"),
        (aged(newest), case.datadog.trouble or "no deltas in the window"),
    )
