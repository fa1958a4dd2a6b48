"""(1) Overview: is the application well, is the database, are both stacks; and where to go from here."""

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
    service,
    to_board,
    to_query,
)
from grafana.generator.boards import services
from grafana.generator.panels import GRAPH, HALF, THIRD, Panel, graph, link, note, number, timeline
from grafana.generator.source import Query
from grafana.generator.statements import per_statement
from grafana.generator.tables import Column, rows
from grafana.generator.waits import active

CHOSEN = 'service=~"$service"'


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        OVERVIEW,
        "1 Credit Lab overview",
        "Rate, errors and duration of the five services, the load of their database, the business they"
        " do, and whether both observability stacks are watching.",
        Section(title="Now", panels=_now()),
        Section(title="Services: rate, errors, duration", panels=services.panels(CHOSEN)),
        Section(title="Database", panels=_database()),
        Section(title="Business", panels=_business()),
        Section(title="Are we being watched?", panels=_watchers()),
        variables=[service(), database()],
    )


def _now() -> list[Panel]:
    return [
        note(
            "What this is",
            "Five services work on one PostgreSQL. Read from the top: does the application do its work,"
            " is the database busy or waiting, is money moving, is anyone watching."
            " **Slow?** Follow *Statements that load the database* to a query. **Stuck?** Follow"
            " *Blocked sessions*. The points on the duration graph are single requests with their trace.",
        ),
        number(
            "Operations",
            "Operations that ended, per second, all outcomes. It should follow the load that was asked"
            " for; when it falls, look at the lateness and at the blocked sessions.",
            style.OPERATIONS,
            Query(expr=f"sum(service:credit_operations:rate1m{{{CHOSEN}}})"),
            decimals=1,
        ),
        number(
            "Errors",
            "Share of the operations of the last five minutes that ended in an error. Above 1 % users"
            " notice: look at the database errors below for the class of error.",
            style.SHARE,
            Query(
                expr=f'sum(rate(credit_operations_total{{{CHOSEN}, outcome="error"}}[5m]))'
                f" / clamp_min(sum(rate(credit_operations_total{{{CHOSEN}}}[5m])), 1e-9)"
            ),
            thresholds=style.steps(0.001, 0.01),
            decimals=2,
        ),
        number(
            "95th percentile",
            "19 of 20 operations end within this time. When it rises while the database's active sessions"
            " do not, the time is lost in the application: look at the pool and the lateness.",
            style.SECONDS,
            Query(
                expr="histogram_quantile(0.95, sum by (le)"
                f" (rate(credit_operation_duration_seconds_bucket{{{CHOSEN}}}[5m])))"
            ),
            thresholds=style.steps(0.1, 0.5),
            empty="no operations",
        ),
        number(
            "Active sessions",
            "Sessions that PostgreSQL works for at this moment, the exporter's own left out. More than"
            " there are CPU cores, for long, means that sessions queue for CPU or wait.",
            style.COUNT,
            Query(expr="sum(wait_event:pg_active_sessions:count)"),
            thresholds=style.steps(4, 12),
            links=[link("Sessions and waits", to_board(SESSIONS))],
        ),
        number(
            "Blocked sessions",
            "Sessions that wait for a lock of another. One for a moment is normal; one that stays is an"
            " incident: the sessions dashboard tells since when, Datadog DBM tells who blocks whom.",
            style.COUNT,
            Query(expr="sum(pg_blocked_sessions_count)"),
            thresholds=style.steps(1, 5),
            links=[link("Sessions and waits", to_board(SESSIONS))],
        ),
        number(
            "Alerts firing",
            "Alert rules of prometheus/rules/alerts.yml that fire now; each also marks every graph in red."
            " docs/alerts.md says for each what it means and what to do.",
            style.COUNT,
            Query(expr='count(ALERTS{alertstate="firing"}) or vector(0)'),
            thresholds=style.steps(1),
        ),
    ]


def _database() -> list[Panel]:
    total, calls = per_statement("seconds_total"), per_statement("calls_total")
    return [
        graph(
            "Database load: active sessions by what they wait for",
            "Each active session is at one of these, sampled at each scrape. Green is work; a growing red"
            " or blue area is time lost to locks or to disk.",
            style.COUNT,
            Query(expr=active("wait_event_type"), legend="{{wait_event_type}}"),
            width=HALF,
            colours=style.WAITS,
            stacked=True,
            bars=True,
            links=[link("Sessions and waits", to_board(SESSIONS))],
        ),
        graph(
            "Transactions",
            "Committed and rolled-back transactions per second. Rollbacks come with errors of the"
            " application; many of them without errors are somebody else's.",
            style.PER_SECOND,
            Query(
                expr='sum(rate(pg_stat_database_xact_commit{datname="$database"}[$__rate_interval]))',
                legend="committed",
            ),
            Query(
                expr='sum(rate(pg_stat_database_xact_rollback{datname="$database"}[$__rate_interval]))',
                legend="rolled back",
            ),
            width=HALF,
            colours={"committed": style.GREEN, "rolled back": style.RED},
            links=[link("PostgreSQL internals", to_board(INTERNALS))],
        ),
        rows(
            "Statements that load the database",
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
            links={
                "statement": link("Detail of this statement", to_query()),
                "queryid": link("Detail of this statement", to_query()),
            },
            height=13,
        ),
    ]


def _business() -> list[Panel]:
    return [
        graph(
            "Proposals",
            "What happened to proposals, per minute. Approved and rejected together should follow"
            " submitted; when they fall behind, underwriting is late or blocked.",
            style.PER_MINUTE,
            Query(
                expr="60 * sum by (status) (rate(credit_proposals_total[$__rate_interval]))",
                legend="{{status}}",
            ),
            colours=style.PROPOSALS,
            empty="No proposal since the services started",
        ),
        graph(
            "Money per minute",
            "Principal paid out to customers, and installments they paid, fees included. Both stop when"
            " underwriting or servicing stops.",
            style.BRL,
            Query(
                expr="60 * sum(rate(credit_disbursed_brl_total[$__rate_interval])) or vector(0)",
                legend="disbursed",
            ),
            Query(
                expr="60 * sum(rate(credit_paid_brl_total[$__rate_interval])) or vector(0)",
                legend="paid by customers",
            ),
            colours={"disbursed": style.BLUE, "paid by customers": style.GREEN},
        ),
        number(
            "Proposals submitted",
            "In this time range.",
            style.EXACT,
            Query(
                expr='sum(increase(credit_proposals_total{status="submitted"}[$__range])) or vector(0)'
            ),
            trend=False,
            decimals=0,
            height=GRAPH,
        ),
        number(
            "Disbursed",
            "Principal paid out to customers in this time range. `./creditlab verify` holds it against"
            " the database to the cent.",
            style.BRL,
            Query(expr="sum(increase(credit_disbursed_brl_total[$__range])) or vector(0)"),
            trend=False,
            height=GRAPH,
        ),
    ]


def _watchers() -> list[Panel]:
    return [
        timeline(
            "Prometheus: targets",
            "Whether the last scrape of each target worked. A red target is blind, its graphs stop: look"
            " whether the process runs, then at /targets of Prometheus.",
            Query(expr='max by (service) (up{job="credit"})', legend="{{service}}"),
            Query(expr='max by (job) (up{job!="credit"})', legend="{{job}}"),
            Query(expr="max(pg_up)", legend="exporter reaches PostgreSQL"),
            width=THIRD,
        ),
        number(
            "Failing collectors",
            "Of postgres_exporter, those whose query failed in the last scrape. A locked table or an"
            " exhausted connection limit costs single collectors while pg_up stays 1. process_idle is left"
            " out: it fails whenever no session is idle.",
            style.COUNT,
            Query(
                expr='count(pg_scrape_collector_success{collector!="process_idle"} == 0)'
                " or vector(0)"
            ),
            height=GRAPH,
            thresholds=style.steps(1, 3),
            links=[link("What the observers cost", to_board(OBSERVERS))],
        ),
        number(
            "Datadog's questions",
            "Statements per second by the roles of the Datadog Agent. 0: no Agent asks this database,"
            " and Database Monitoring is blind, whatever the Agent's own status says.",
            style.PER_SECOND,
            Query(
                expr='sum(rate(pg_stat_statements_calls_total{user=~"datadog.*"}[5m])) or vector(0)'
            ),
            height=GRAPH,
            words={"0": "not asking"},
            links=[link("What the observers cost", to_board(OBSERVERS))],
        ),
        graph(
            "Samples per scrape",
            "By job, all targets together. When the line of the database falls, collectors fail and"
            " Prometheus is partly blind; a line that grows is a label with ever more values.",
            style.COUNT,
            Query(expr="sum by (job) (scrape_samples_scraped)", legend="{{job}}"),
        ),
    ]


def _busiest(expr: str, *, by: str | None = None) -> str:
    """Return it for the ten statements with the most of what `by` measures, by default of itself."""
    return f"{expr} and on (user, queryid) topk(10, {by})" if by else f"topk(10, {expr})"
