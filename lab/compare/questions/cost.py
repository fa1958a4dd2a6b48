"""Questions about the cost of observation: what each stack reports of the roles that observe."""

from collections.abc import Iterator

from lab.compare.answers import Compared, Group
from lab.compare.questions.case import Case, Leg, counter

ROLES = ("postgres_exporter", "datadog", "lab")
# Question -> column of the truth, column of DBM's deltas, series, factor of the series.
MEASURES = {
    "statements of": ("calls", "calls", "calls_total", 1.0),
    "execution time of": ("ms", "exec_time_ms", "seconds_total", 1000.0),
}


def compare(case: Case) -> Iterator[Compared]:
    """Yield statements and execution time of the observers' roles in the window."""
    for role in ROLES:
        for question, (column, delta, series, scale) in MEASURES.items():
            yield counter(
                case, Group.COST, f"{question} the role {role}", "ms" if column == "ms" else "",
                _leg(role, column, delta, series, scale),
            )  # fmt: skip


def _leg(role: str, column: str, delta: str, series: str, scale: float) -> Leg:
    return Leg(
        keys=(("role", role, column),),
        series=f'pg_stat_statements_{series}{{user="{role}"}}',
        datadog=lambda datadog: datadog.role(role, delta),
        series_scale=scale,
    )
