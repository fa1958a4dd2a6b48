"""CPU and memory of the observers, as the stack's backend measures them."""

from collections.abc import Iterator

from lab.compare.resources import DATADOG, LAB, PROMETHEUS, Spent, one_line
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack.mode import running

# By component; components that the lab does not run are omitted.
OBSERVERS = {
    "postgres_exporter": PROMETHEUS,
    "prometheus": PROMETHEUS,
    "grafana": PROMETHEUS,
    "datadog": DATADOG,
    "trace_agent": DATADOG,
    "console": LAB,
}


def spent(settings: LabSettings) -> Iterator[Spent]:
    """Yield CPU and memory of each process of an observer."""
    backend = next(running(settings), None)
    if backend is None:
        yield from _unknown("the lab has started no process here")
        return
    try:
        used = {one.component: one for one in backend.usage()}
    except LabError as error:
        yield from _unknown(one_line(error))
        return
    for usage in (used[name] for name in OBSERVERS if name in used):
        observer = OBSERVERS[usage.component]
        yield Spent(
            observer=observer,
            what=f"{usage.program}: CPU, {usage.period}",
            unit="% of a processor",
            value=usage.cpu_percent,
        )
        yield Spent(
            observer=observer,
            what=f"{usage.program}: memory",
            unit="MB",
            value=usage.memory_bytes / 1e6,
        )


def _unknown(why_not: str) -> Iterator[Spent]:
    for observer in (PROMETHEUS, DATADOG, LAB):
        yield Spent(observer=observer, what="CPU and memory", why_not=why_not)
