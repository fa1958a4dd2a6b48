"""Failures of the embedded agent's collectors since its start, from its /metrics; `status` shows them."""

from dataclasses import dataclass
from typing import Self

from lab.clients import exposition
from lab.foundation.settings import LabSettings
from lab.stack import probes

FAILED = "lab_embedded_failures_total"
SKIPPED = "lab_embedded_rows_skipped_total"


@dataclass(frozen=True, kw_only=True)
class CollectorFailures:
    """Failed collections and skipped rows, by collector."""

    collections: dict[str, int]
    rows: dict[str, int]

    @classmethod
    def fetch(cls, settings: LabSettings) -> Self | None:
        """Return the embedded agent's counters; None when it does not answer, or a real Agent runs."""
        page = probes.page(settings, settings.embedded_agent_port, "/metrics")
        if page is None or FAILED.removesuffix("_total") not in page:
            return None
        counts: dict[str, dict[str, int]] = {FAILED: {}, SKIPPED: {}}
        for sample in exposition.samples(page):
            if sample.name in counts and sample.value:
                counts[sample.name][sample.labels["collector"]] = int(sample.value)
        return cls(collections=counts[FAILED], rows=counts[SKIPPED])

    def __str__(self) -> str:
        parts = [f"{number} x {name}" for name, number in self.collections.items()]
        parts += [f"{number} rows of {name}" for name, number in self.rows.items()]
        return f"embedded agent, not collected since its start: {', '.join(parts)}" if parts else ""
