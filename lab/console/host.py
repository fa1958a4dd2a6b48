"""CPU, memory, disk and network of the machine that runs the console, as time series.

Natively and in Docker that is the machine of the whole lab; network counts the console's own network
namespace, which in a container is the container's.
"""

from collections.abc import Iterator

import psutil
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

MODES = ("user", "system", "iowait", "idle", "steal")


class HostMetrics(Collector):
    """Reads the operating system's counters at each scrape."""

    def collect(self) -> Iterator[Metric]:
        """Yield the counters; one that the operating system does not have is left out."""
        yield GaugeMetricFamily("lab_host_cpus", "Processors of the host", psutil.cpu_count() or 1)
        yield _counter(
            "lab_host_cpu_seconds",
            "CPU time of the host, all processors together, in seconds",
            "mode",
            {mode: getattr(psutil.cpu_times(), mode, None) for mode in MODES},
        )
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        family = GaugeMetricFamily("lab_host_memory_bytes", "Memory of the host", labels=["kind"])
        for kind, size in (
            ("total", memory.total),
            ("available", memory.available),
            ("swap_used", swap.used),
        ):
            family.add_metric([kind], size)
        yield family
        disk = psutil.disk_io_counters()
        yield _counter(
            "lab_host_disk_bytes",
            "Bytes read from and written to all disks of the host",
            "direction",
            {"read": disk.read_bytes, "write": disk.write_bytes} if disk else {},
        )
        network = psutil.net_io_counters()
        yield _counter(
            "lab_host_network_bytes",
            "Bytes received and sent over all network interfaces",
            "direction",
            {"receive": network.bytes_recv, "send": network.bytes_sent} if network else {},
        )


def _counter(name: str, text: str, label: str, values: dict[str, float | None]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        if number is not None:
            family.add_metric([value], number)
    return family
