"""The running drill and the latest verdicts as time series: Grafana marks the one and compares the others."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lab.drills.summary import SummaryFile


class Mark(Collector):
    """`lab_drill_running`, `lab_drill_detection_seconds` and `lab_drill_verdict`, read at each scrape."""

    def __init__(self, summary: SummaryFile) -> None:
        self._summary = summary

    def collect(self) -> Iterator[Metric]:
        """Yield 1 for the drill whose fault may be present, and the latest verdicts of each drill."""
        running = GaugeMetricFamily(
            "lab_drill_running", "1 while the fault of this drill may be there", labels=["drill"]
        )
        detected = GaugeMetricFamily(
            "lab_drill_detection_seconds",
            "Seconds from the proof of the fault to the observer's first evidence, in the latest run",
            labels=["drill", "observer"],
        )
        verdict = GaugeMetricFamily(
            "lab_drill_verdict",
            "1 for the verdict of the latest run: seen, missed or unknown",
            labels=["drill", "observer", "verdict"],
        )
        summary = self._summary.read()
        if summary.running:
            running.add_metric([summary.running], 1)
        for one in summary.detections:
            verdict.add_metric([one.drill, one.observer, one.seen], 1)
            if one.after_s is not None:
                detected.add_metric([one.drill, one.observer], one.after_s)
        yield from (running, detected, verdict)
