"""Metrics of the services as the Agent's openmetrics check submits them: names, type and tags, every 10 s.

The configuration that it plays is datadog/conf.d/openmetrics.d. A service that does not answer has no
series until it has answered twice.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from types import MappingProxyType

from lab.clients.exposition import Sample
from lab.clients.services import ServiceClient, ServiceUnreachableError
from lab.foundation import clock
from lab.telemetry.embedded.delivery import SERIES
from lab.telemetry.embedded.events import TAGS, Event
from lab.telemetry.embedded.metrics import Query, Sampler

INTERVAL_S = 10
# A service that hangs does not delay the next run.
TIMEOUT_S = 2.0
NAMESPACE = "credit"
COUNTS = MappingProxyType(
    {
        "credit_arrivals_dropped_total": "arrivals_dropped.count",
        "credit_start_delay_seconds_count": "start_delay_seconds.count",
        "credit_start_delay_seconds_sum": "start_delay_seconds.sum",
    }
)


class OpenMetrics:
    """The check of all services, running or not.

    `put` receives the path of the Agent's API, and series; the tag `env` is that of the configuration.
    """

    def __init__(
        self,
        services: Sequence[ServiceClient],
        put: Callable[[str, Sequence[Event]], None],
        *,
        host: str,
        env: str,
    ) -> None:
        self._services = services
        self._put = put
        self._sampler = Sampler(
            host=host, tags=(*TAGS, f"env:{env}"), namespace=NAMESPACE, interval_s=INTERVAL_S
        )

    def run(self, stop: threading.Event) -> None:
        """Run the check every 10 s until `stop` is set."""
        next_s = time.monotonic()
        while not stop.wait(max(next_s - time.monotonic(), 0)):
            self.once()
            next_s = max(next_s + INTERVAL_S, time.monotonic())

    def once(self) -> None:
        """Read each service's page, and hand on what its counters have grown by."""
        self._sampler.begin()
        for service in self._services:
            try:
                samples = service.samples(timeout_s=TIMEOUT_S)
            except ServiceUnreachableError:
                continue
            self._put(SERIES, list(self._series(samples, clock.now_s())))

    def _series(self, samples: Sequence[Sample], at_s: float) -> Iterator[Event]:
        known = [sample for sample in samples if sample.name in COUNTS]
        for (name, labels), some in groupby(known, lambda one: (one.name, tuple(one.labels))):
            query = Query(tags=labels, counts=(COUNTS[name],))
            rows = [(*one.labels.values(), one.value) for one in some]
            yield from self._sampler.series(query, rows, at_s=at_s)
