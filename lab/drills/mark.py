"""The running drill as a time series: Grafana annotates every graph with it, from Prometheus alone."""

from collections.abc import Iterator
from contextlib import suppress

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lab.drills.running import Place
from lab.foundation.statefile import DamagedError


class Mark(Collector):
    """`lab_drill_running{drill}`, read from the state directory at each scrape."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def collect(self) -> Iterator[Metric]:
        """Yield 1 for the drill whose fault may be present; nothing when there is none."""
        family = GaugeMetricFamily(
            "lab_drill_running", "1 while the fault of this drill may be there", labels=["drill"]
        )
        # The drill commands report a damaged file; it must not take the other metrics away.
        with suppress(DamagedError):
            if running := self._place.read():
                family.add_metric([running.drill], 1)
        yield family
