"""The lab's own activity samples: sessions of pg_stat_activity each second, with source `lab`.

They serve the lab's pages and are ground truth. They are never counted as Datadog's: what Database Monitoring
received comes from an Agent, from the embedded agent, or from Datadog's check.
"""

from lab.telemetry.activity.sampler import ActivitySampler, Telemetry

__all__ = ["ActivitySampler", "Telemetry"]
