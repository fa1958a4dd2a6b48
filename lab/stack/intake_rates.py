"""Current rates of the console's intake, from its /healthz; `status` shows them."""

import json
from dataclasses import dataclass

from lab.foundation.settings import LabSettings
from lab.stack import probes


@dataclass(frozen=True, kw_only=True)
class IntakeRates:
    """Averages of the last minute, the store's size in bytes, and records refused for their time."""

    spans_per_s: float
    dbm_events_per_min: float
    log_lines_per_s: float
    store_bytes: int
    refused_records: int = 0
    store_trouble: str | None = None
    log_trouble: str | None = None
    sampling_trouble: str | None = None
    traces_sampled_away: str | None = None
    unread_forms: tuple[str, ...] = ()
    metric_names_kept: int = 0
    metric_names_counted: int = 0

    @classmethod
    def fetch(cls, settings: LabSettings) -> "IntakeRates | None":
        """Return the console's values; None when it does not answer, or an exam has closed doors."""
        page = probes.page(settings, settings.console_port, "/healthz")
        health = json.loads(page) if page is not None else {}
        if "rates" not in health:
            return None
        return cls(
            **health["rates"],
            store_bytes=health["store_bytes"],
            refused_records=sum(health.get("refused_records", {}).values()),
            store_trouble=health.get("store_trouble"),
            log_trouble=health.get("log_trouble"),
            sampling_trouble=health.get("sampling_trouble"),
            traces_sampled_away=health.get("traces_sampled_away"),
            unread_forms=tuple(health.get("unread_forms", ())),
            metric_names_kept=health.get("metric_names", {}).get("kept", 0),
            metric_names_counted=health.get("metric_names", {}).get("counted", 0),
        )

    def __str__(self) -> str:
        troubles = [trouble for trouble in (self.store_trouble, self.log_trouble) if trouble]
        if self.sampling_trouble:
            first = self.sampling_trouble.splitlines()[0]
            troubles.append(f"sessions are not sampled each second: {first}")
        lines = [self._rates(), *(f"console: {trouble}" for trouble in troubles)]
        if self.metric_names_kept or self.metric_names_counted:
            lines.append(
                f"Agent's metrics: {self.metric_names_kept} names stored,"
                f" {self.metric_names_counted} only counted"
            )
        if self.traces_sampled_away:
            lines.append(f"traces: {self.traces_sampled_away}")
        if self.unread_forms:
            forms = ", ".join(self.unread_forms)
            lines.append(
                f"traces: refused, in a format that this version cannot decode: {forms}."
                " Update the lab, or use the Agent's version of .env.example"
            )
        return "\n".join(lines)

    def _rates(self) -> str:
        refused = (
            f"; {self.refused_records} records refused for their time: compare the senders' clocks"
            if self.refused_records
            else ""
        )
        return (
            f"intake: {self.spans_per_s:g} spans/s, {self.dbm_events_per_min:g} DBM events/min,"
            f" {self.log_lines_per_s:g} log lines/s; store {self.store_bytes / 1e6:.1f} MB{refused}"
        )
