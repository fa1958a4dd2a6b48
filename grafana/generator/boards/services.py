"""The services' part of the overview: rate, errors, duration, and what an open loop adds: lateness, drops."""

from grafana.generator import style
from grafana.generator.board import to_service
from grafana.generator.panels import Panel, graph, link
from grafana.generator.source import Query


def panels(chosen: str) -> list[Panel]:
    """Return them; `chosen` is the label matcher of the services to show."""
    only = [link("Only this service", to_service())]
    return [
        graph(
            "Rate: operations by service",
            "Operations that ended, per second. A service that drops to 0 is down, paused, or waits for"
            " the database with all its threads.",
            style.OPERATIONS,
            Query(expr=f"service:credit_operations:rate1m{{{chosen}}}", legend="{{service}}"),
            colours=style.SERVICES,
            links=only,
        ),
        graph(
            "Errors: share by service",
            "Share of operations that ended in an error, over five minutes. All services at once points"
            " to the database, one alone to its statements.",
            style.SHARE,
            Query(
                expr=f"service:credit_operation_errors:ratio_rate5m{{{chosen}}}",
                legend="{{service}}",
            ),
            colours=style.SERVICES,
            thresholds=style.steps(0.01),
            links=only,
        ),
        graph(
            "Duration: 95th percentile by service",
            "The points are single operations: click one to open its trace, in Datadog or in the lab. A"
            " gap means that the service ended no operation.",
            style.SECONDS,
            Query(
                expr="histogram_quantile(0.95, sum by (service, le)"
                f" (rate(credit_operation_duration_seconds_bucket{{{chosen}}}[$__rate_interval])))",
                legend="{{service}}",
                exemplar=True,
            ),
            colours=style.SERVICES,
            empty="No operation ended",
            links=only,
        ),
        graph(
            "Lateness: 99th percentile of start delay",
            "From the moment an operation was due to its start. Arrivals do not wait for answers, so a"
            " service without free threads shows here first, long before its durations do.",
            style.SECONDS,
            Query(
                expr=f"service:credit_start_delay_seconds:quantile_rate5m{{{chosen}}}",
                legend="{{service}}",
            ),
            colours=style.SERVICES,
            thresholds=style.steps(0.05),
            empty="No operation started",
            links=only,
        ),
        graph(
            "Asked for, arrived, ended",
            "The three lie on each other while the services keep up. Arrivals above ended operations are"
            " a queue that grows; look at lateness and drops.",
            style.OPERATIONS,
            Query(expr=f"sum(credit_target_rate{{{chosen}}})", legend="asked for"),
            Query(
                expr=f"sum(rate(credit_arrivals_total{{{chosen}}}[$__rate_interval]))",
                legend="arrived",
            ),
            Query(
                expr=f"sum(rate(credit_operations_total{{{chosen}}}[$__rate_interval]))",
                legend="ended",
            ),
            colours={"asked for": style.GREY, "arrived": style.AMBER, "ended": style.GREEN},
        ),
        graph(
            "Failures of every kind",
            "Arrivals dropped for want of a free thread, attempts made again, errors from the database."
            " Retries without errors are the services healing themselves.",
            style.PER_SECOND,
            Query(
                expr=f"sum(rate(credit_arrivals_dropped_total{{{chosen}}}[$__rate_interval]))",
                legend="arrivals dropped",
            ),
            Query(
                expr=_or_zero(
                    f"sum(rate(credit_operation_retries_total{{{chosen}}}[$__rate_interval]))"
                ),
                legend="attempts made again",
            ),
            Query(
                expr=_or_zero(
                    f"sum(rate(credit_database_errors_total{{{chosen}}}[$__rate_interval]))"
                ),
                legend="database errors",
            ),
            colours={
                "arrivals dropped": style.GREY,
                "attempts made again": style.AMBER,
                "database errors": style.RED,
            },
        ),
    ]


def _or_zero(expr: str) -> str:
    return f"{expr} or vector(0)"
