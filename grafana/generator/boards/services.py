"""Panels of the services in the overview: rate, errors, duration, start delay, drops."""

from grafana.generator import style
from grafana.generator.board import to_service
from grafana.generator.panels import Panel, graph, link
from grafana.generator.source import Query


def panels(chosen: str) -> list[Panel]:
    """Return the panels; `chosen` is the label matcher of the services to show."""
    only = [link("Only this service", to_service())]
    return [
        graph(
            "Rate: operations by service",
            "Completed operations per second. A service that drops to 0 is down, paused, or waits for"
            " the database with all its threads.",
            style.OPERATIONS,
            Query(
                expr=f"sum by (service) (rate(credit_operations_total{{{chosen}}}[$__rate_interval]))",
                legend="{{service}}",
            ),
            colours=style.SERVICES,
            links=only,
        ),
        graph(
            "Errors: share by service",
            "Share of operations that ended in an error, over five minutes. All services at the same time"
            " point to the database, one alone to its statements.",
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
            "The points are exemplars: click one to open its trace, in Datadog or in the lab. A"
            " gap means that the service completed no operation.",
            style.SECONDS,
            Query(
                expr="histogram_quantile(0.95, sum by (service, le)"
                f" (rate(credit_operation_duration_seconds_bucket{{{chosen}}}[$__rate_interval])))",
                legend="{{service}}",
                exemplar=True,
            ),
            colours=style.SERVICES,
            empty="No operation completed",
            links=only,
        ),
        graph(
            "Start delay: 99th percentile by service",
            "From the scheduled start of an operation to its actual start. Arrivals do not wait for"
            " answers, so a service without free threads shows here first, long before its durations rise.",
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
            "Target rate, arrivals, completions",
            "The three are equal while the services keep up. Arrivals above completions are"
            " a growing queue; check start delay and drops.",
            style.OPERATIONS,
            Query(expr=f"sum(credit_target_rate{{{chosen}}})", legend="target rate"),
            Query(
                expr=f"sum(rate(credit_arrivals_total{{{chosen}}}[$__rate_interval]))",
                legend="arrivals",
            ),
            Query(
                expr=f"sum(rate(credit_operations_total{{{chosen}}}[$__rate_interval]))",
                legend="completions",
            ),
            colours={
                "target rate": style.GREY,
                "arrivals": style.AMBER,
                "completions": style.GREEN,
            },
        ),
        graph(
            "Drops, retries and errors",
            "Arrivals dropped because no worker thread was free, retries, errors from the database."
            " Retries without errors were successful.",
            style.PER_SECOND,
            Query(
                expr=f"sum(rate(credit_arrivals_dropped_total{{{chosen}}}[$__rate_interval]))",
                legend="arrivals dropped",
            ),
            Query(
                expr=_or_zero(
                    f"sum(rate(credit_operation_retries_total{{{chosen}}}[$__rate_interval]))"
                ),
                legend="retries",
            ),
            Query(
                expr=_or_zero(
                    f"sum(rate(credit_database_errors_total{{{chosen}}}[$__rate_interval]))"
                ),
                legend="database errors",
            ),
            colours={
                "arrivals dropped": style.GREY,
                "retries": style.AMBER,
                "database errors": style.RED,
            },
        ),
    ]


def _or_zero(expr: str) -> str:
    return f'{expr} or 0 * max(up{{job="credit"}} == 1)'
