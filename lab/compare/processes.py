"""CPU and memory of the observers: natively of recorded processes, in Docker by the engine's statistics."""

from collections.abc import Iterator
from contextlib import suppress

import psutil

from lab.compare.resources import DATADOG, LAB, PROMETHEUS, Spent, one_line
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.agent import Agent
from lab.stack.check import CHECK
from lab.stack.docker import lifecycle as docker
from lab.stack.docker.compose import ComposeError, Usage
from lab.stack.mode import Mode, running
from lab.stack.native import records
from lab.stack.native.process_cost import cost_of
from lab.telemetry.store.senders import CHECK_LABEL, embedded_label

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
    mode = next(running(settings), None)
    if mode is Mode.DOCKER:
        yield from _in_containers()
    elif mode is Mode.NATIVE:
        yield from _native(settings)
    else:
        for observer in (PROMETHEUS, DATADOG, LAB):
            why_not = "the lab has started no process here"
            yield Spent(observer=observer, what="CPU and memory", why_not=why_not)


def _native(settings: LabSettings) -> Iterator[Spent]:
    found = {
        record.component: process for record, process in records.living(Paths.of(settings).run)
    }
    substitute = (
        CHECK_LABEL
        if settings.datadog_agent == CHECK
        else embedded_label(settings.embedded_agent_activity_seconds)
    )
    replaced = Agent.of(settings) is None
    for name in (name for name in OBSERVERS if name in found):
        usage = _usage(found[name])
        if usage:
            known_as = f"{name} ({substitute})" if name == "datadog" and replaced else name
            yield from _figures(name, known_as, usage, "mean")


def _usage(process: psutil.Process) -> Usage | None:
    """Add up a process and its descendants; None when it has ended."""
    with suppress(psutil.NoSuchProcess):
        age_s = max(clock.now_s() - process.create_time(), 1.0)
        cost = cost_of(process)
        return Usage(cpu_percent=100 * cost.cpu_s / age_s, memory_bytes=cost.resident)
    return None


def _in_containers() -> Iterator[Spent]:
    try:
        used = docker.usage()
    except ComposeError as error:
        for observer in (PROMETHEUS, DATADOG, LAB):
            yield Spent(observer=observer, what="CPU and memory", why_not=one_line(error))
    else:
        for name in (name for name in OBSERVERS if name in used):
            yield from _figures(name, name, used[name], "now")


def _figures(name: str, known_as: str, usage: Usage, when: str) -> Iterator[Spent]:
    observer = OBSERVERS[name]
    yield Spent(
        observer=observer,
        what=f"{known_as}: CPU, {when}",
        unit="% of a processor",
        value=usage.cpu_percent,
    )
    yield Spent(
        observer=observer, what=f"{known_as}: memory", unit="MB", value=usage.memory_bytes / 1e6
    )
