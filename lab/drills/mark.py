"""The drill that runs as a series, so that Grafana can mark it on every graph, from Prometheus alone."""

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
        """Yield 1 for the drill whose fault may be there; nothing when there is none."""
        family = GaugeMetricFamily(
            "lab_drill_running", "1 while the fault of this drill may be there", labels=["drill"]
        )
        # What is wrong with a damaged file the drill commands say; other metrics must not go with it.
        with suppress(DamagedError):
            if running := self._place.read():
                family.add_metric([running.drill], 1)
        yield family
