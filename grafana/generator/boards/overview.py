"""(1) Overview: the state of the application, of the database and of both observability stacks."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.generator import style
from grafana.generator.board import (
    INTERNALS,
    OBSERVERS,
    OVERVIEW,
    SESSIONS,
    Section,
    board,
    database,
    in_alerts,
    in_console,
    of_row,
    service,
    sessions_in_console,
    to_board,
)
from grafana.generator.boards import services
from grafana.generator.panels import GRAPH, THIRD, Panel, graph, link, note, number, timeline
from grafana.generator.source import Query
from grafana.generator.statements import per_statement
from grafana.generator.tables import Column, rows
from grafana.generator.waits import active

CHOSEN = 'service=~"$service"'
# 0 is a value only while the services are scraped.
IF_UP = '0 * max(up{job="credit"} == 1)'


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        OVERVIEW,
        "1 Credit Lab overview",
        "Rate, errors and duration of the five services, the load of their database, business"
        " figures, and the state of both observability stacks.",
        Section(title="Now", panels=_now()),
        Section(title="Services: rate, errors, duration", panels=services.panels(CHOSEN)),
        Section(title="Database", panels=_database()),
        Section(title="Business", panels=_business()),
        Section(title="State of the observers", panels=_watchers()),
        variables=[service(), database()],
    )


def _now() -> list[Panel]:
    return [
        note(
            "What this is",
            "Five services use one PostgreSQL. Read from the top: does the application work,"
            " is the database busy or waiting, are proposals processed, do the observers have data."
            " **Slow?** Start with *Top statements by execution time*. **Blocked?** Start with"
            " *Blocked sessions*. Points on the duration graph are exemplars, with their trace.",
        ),
        number(
            "Operations",
            "Completed operations per second, all outcomes. It should follow the target"
            " rate; when it falls, check the start delay and the blocked sessions.",
            style.OPERATIONS,
            Query(expr=f"sum(service:credit_operations:rate1m{{{CHOSEN}}})"),
            decimals=1,
        ),
        number(
            "Errors, worst service",
            "Share of a service's operations of the last five minutes that ended in an error."
            " Above 1 %, users"
            " are affected: check the database errors below for the class of error.",
            style.SHARE,
            Query(expr=f"max(service:credit_operation_errors:ratio_rate5m{{{CHOSEN}}})"),
            thresholds=style.steps(0.001, 0.01),
            decimals=2,
        ),
        number(
            "95th percentile, worst service",
            "95 % of the operations of the slowest service end within this time. When it rises while the"
            " database's active sessions do not, the application is the cause: check the pool.",
            style.SECONDS,
            Query(
                expr="max(service:credit_operation_duration_seconds:quantile_rate5m"
                f'{{quantile="0.95", {CHOSEN}}})'
            ),
            thresholds=style.steps(0.5, 2),
        ),
        number(
            "Start delay, worst service",
            "99 % of the operations start within this time after their arrival. It rises before"
            " durations do:"
            " all threads or connections of a service are busy.",
            style.SECONDS,
            Query(
                expr="max(service:credit_start_delay_seconds:quantile_rate5m"
                f'{{quantile="0.99", {CHOSEN}}})'
            ),
            thresholds=style.steps(0.05, 0.5),
        ),
        number(
            "Active sessions per core",
            "Sessions in state active, without the exporter's own, divided by the processors of"
            " the host. Above 1"
            " for long means that sessions wait for CPU or for an event.",
            style.COUNT,
            Query(expr="sum(wait_event:pg_active_sessions:sum) / scalar(max(lab_host_cpus))"),
            thresholds=style.steps(1, 3),
            decimals=1,
            links=[link("Sessions and waits", to_board(SESSIONS))],
        ),
        number(
            "Blocked sessions",
            "Sessions that wait for a lock. A short wait is normal; a long one is an"
            " incident: the sessions dashboard shows who waits for whom, and since when.",
            style.COUNT,
            Query(expr="sum(pg_blocked_sessions_count)"),
            thresholds=style.steps(1, 5),
            links=[
                link("Sessions and waits", to_board(SESSIONS)),
                link("Sessions in the console", sessions_in_console()),
            ],
        ),
        rows(
            "Alerts firing",
            "Alert rules of prometheus/rules/alerts.yml that fire now, and since when; each is also a red"
            " annotation on every graph. Empty: none fires. Click a name for its runbook.",
            Column(
                title="active since",
                unit=style.TIME,
                expr='1000 * ALERTS_FOR_STATE{severity!="none"}'
                ' and ignoring (alertstate) ALERTS{alertstate="firing"}',
            ),
            labels={
                "alertname": 240,
                "severity": 100,
                "service": 180,
                "statement": 220,
                "table": 150,
                "job": 100,
            },
            sort="active since",
            links={
                "alertname": [link("Runbook", in_alerts())],
                "statement": [link("In the console", in_console())],
            },
            height=6,
        ),
    ]


def _database() -> list[Panel]:
    total, calls = per_statement("seconds_total"), per_statement("calls_total")
    return [
        graph(
            "Database load",
            "Average number of active sessions of this database, exact: PostgreSQL counts the time"
            " that sessions"
            " are active. The dashed line is the number of processors.",
            style.SESSIONS,
            Query(
                expr='sum(rate(pg_stat_database_active_time_seconds_total{datname="$database"}'
                "[$__rate_interval]))",
                legend="active",
            ),
            Query(expr="max(lab_host_cpus)", legend="processors"),
            colours={"active": style.BLUE, "processors": style.GREY},
            links=[link("Sessions and waits", to_board(SESSIONS))],
        ),
        graph(
            "Active sessions by wait event",
            "Each active session has one of these, sampled at each scrape. Green is CPU; a growing red"
            " or blue area is time spent in locks or I/O.",
            style.COUNT,
            Query(expr=active("wait_event_type"), legend="{{wait_event_type}}"),
            colours=style.WAITS,
            stacked=True,
            bars=True,
            links=[link("Sessions and waits", to_board(SESSIONS))],
        ),
        graph(
            "Transactions",
            "Committed and rolled-back transactions per second. Rollbacks are usually errors of the"
            " application; many rollbacks without errors come from another client.",
            style.PER_SECOND,
            Query(
                expr='sum(rate(pg_stat_database_xact_commit{datname="$database"}[$__rate_interval]))',
                legend="committed",
            ),
            Query(
                expr='sum(rate(pg_stat_database_xact_rollback{datname="$database"}[$__rate_interval]))',
                legend="rolled back",
            ),
            colours={"committed": style.GREEN, "rolled back": style.RED},
            links=[link("PostgreSQL internals", to_board(INTERNALS))],
        ),
        rows(
            "Top statements by execution time",
            "The ten statements with the most execution time in this time range, of every role. Click a"
            " name for its detail.",
            Column(title="total time", unit=style.SECONDS, bar=True, expr=_busiest(total)),
            Column(title="calls", unit=style.EXACT, decimals=0, expr=_busiest(calls, by=total)),
            Column(
                title="mean",
                unit=style.SECONDS,
                thresholds=style.steps(0.1, 0.5),
                expr=_busiest(f"({total}) / ({calls} > 0)", by=total),
            ),
            labels={"statement": 240, "service": 180, "user": 150, "queryid": 210},
            sort="total time",
            links=of_row(),
            height=13,
        ),
    ]


def _business() -> list[Panel]:
    return [
        graph(
            "Proposals",
            "Proposals by status, per minute. Approved plus rejected should follow"
            " submitted; when the sum is lower, underwriting is slow or blocked.",
            style.PER_MINUTE,
            Query(
                expr="60 * sum by (status) (rate(credit_proposals_total[$__rate_interval]))",
                legend="{{status}}",
            ),
            colours=style.PROPOSALS,
            empty="No proposal since the services started",
        ),
        graph(
            "Disbursements and payments per minute",
            "Principal disbursed to customers, and installments paid, fees included. Both stop when"
            " underwriting or servicing stops.",
            style.BRL,
            Query(
                expr=f"60 * sum(rate(credit_disbursed_brl_total[$__rate_interval])) or {IF_UP}",
                legend="disbursed",
            ),
            Query(
                expr=f"60 * sum(rate(credit_paid_brl_total[$__rate_interval])) or {IF_UP}",
                legend="paid by customers",
            ),
            colours={"disbursed": style.BLUE, "paid by customers": style.GREEN},
        ),
        number(
            "Proposals submitted",
            "In this time range.",
            style.EXACT,
            Query(
                expr='sum(increase(credit_proposals_total{status="submitted"}[$__range]))'
                f" or {IF_UP}"
            ),
            decimals=0,
            height=GRAPH,
        ),
        number(
            "Disbursed",
            "Principal disbursed to customers in this time range. `./creditlab verify` compares it with"
            " the database, exactly.",
            style.BRL,
            Query(expr=f"sum(increase(credit_disbursed_brl_total[$__range])) or {IF_UP}"),
            height=GRAPH,
        ),
    ]


def _watchers() -> list[Panel]:
    return [
        timeline(
            "Prometheus: targets",
            "Whether the last scrape of each target succeeded. A red target has no data: check"
            " whether the process runs, then see /targets of Prometheus.",
            Query(expr='max by (service) (up{job="credit"})', legend="{{service}}"),
            Query(expr='max by (job) (up{job!="credit"})', legend="{{job}}"),
            Query(expr="max(pg_up)", legend="exporter reaches PostgreSQL"),
            width=THIRD,
        ),
        number(
            "Failing collectors",
            "Collectors of postgres_exporter that failed in the last scrape. A locked table or an"
            " exhausted connection limit makes single collectors fail while pg_up stays 1. process_idle is"
            " excluded: it fails whenever no session is idle.",
            style.COUNT,
            Query(
                expr='count(pg_scrape_collector_success{collector!="process_idle"} == 0)'
                " or 0 * max(pg_up == 1)"
            ),
            height=GRAPH,
            thresholds=style.steps(1, 3),
            links=[link("What the observers cost", to_board(OBSERVERS))],
        ),
        number(
            "Statements of the Agent",
            "Statements per second by the roles of the Datadog Agent. 0: no Agent queries this database,"
            " and Database Monitoring has no data, even if the Agent's status is OK.",
            style.PER_SECOND,
            Query(
                expr='sum(rate(pg_stat_statements_calls_total{user=~"datadog.*"}[5m])) or 0 * max(pg_up == 1)'
            ),
            height=GRAPH,
            words={"0": "no queries"},
            links=[link("What the observers cost", to_board(OBSERVERS))],
        ),
        graph(
            "Samples per scrape",
            "By job, all targets together. When the line of the database falls, collectors fail and"
            " data is missing; a line that grows means a label with more and more values.",
            style.COUNT,
            Query(expr="sum by (job) (scrape_samples_scraped)", legend="{{job}}"),
        ),
    ]


def _busiest(expr: str, *, by: str | None = None) -> str:
    """Return the expression for the top ten statements by `by`, by default by itself."""
    return f"{expr} and on (user, queryid) topk(10, {by})" if by else f"topk(10, {expr})"
