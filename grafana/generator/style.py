"""The common style of the dashboards: colours by meaning, thresholds, units.

A service, a wait or an action has the same colour on all panels. This module
does not depend on any metric.
"""

from collections.abc import Mapping

from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Threshold, ThresholdsMode

GREEN, AMBER, RED, BLUE, GREY = "#56A64B", "#E0A82E", "#E02F44", "#3274D9", "#8E8E8E"

# Colour-blind safe (Okabe and Ito).
SERVICES: Mapping[str, str] = {
    "credit-proposals": "#0072B2",
    "credit-underwriting": "#D55E00",
    "credit-customers": "#009E73",
    "credit-servicing": "#CC79A7",
    "credit-risk": "#E69F00",
}
# As in Datadog and Performance Insights: CPU green, I/O blue, locks red.
WAITS: Mapping[str, str] = {
    "CPU": GREEN,
    "IO": BLUE,
    "Lock": RED,
    "LWLock": "#F2495C",
    "BufferPin": "#FF9830",
    "IPC": "#B877D9",
    "Client": GREY,
    "Timeout": "#FADE2A",
    "Activity": "#5794F2",
    "Extension": "#705DA0",
}
STATES: Mapping[str, str] = {
    "active": GREEN,
    "idle": GREY,
    "idle in transaction": AMBER,
    "idle in transaction (aborted)": RED,
}
SIDES: Mapping[str, str] = {"database": BLUE, "application": AMBER}
ACTIONS: Mapping[str, str] = {"insert": GREEN, "update": BLUE, "delete": RED}
PROPOSALS: Mapping[str, str] = {
    "submitted": BLUE,
    "approved": GREEN,
    "rejected": RED,
    "withdrawn": GREY,
}
QUANTILES: Mapping[str, str] = {"p50": GREEN, "p95": AMBER, "p99": RED}
OBSERVERS: Mapping[str, str] = {
    "datadog": "#7C3AED",
    "datadog_explain": "#C4A5F7",
    "postgres_exporter": "#E6522C",
    "lab": BLUE,
}
ROLES: Mapping[str, str] = {**OBSERVERS, "credit_app": GREEN, "credit_owner": AMBER}

# One colour for each table, the same on all graphs.
TABLES: Mapping[str, str] = {
    "installments": "#0072B2",
    "credit_transactions": "#D55E00",
    "credit_proposals": "#009E73",
    "credit_analysis": "#CC79A7",
    "credit_contracts": "#E69F00",
    "customers": "#56B4E9",
    "audit_log": "#F0E442",
    "audit_summary": "#B877D9",
    "credit_products": GREY,
    "seed_manifest": "#5A5A5A",
}

SECONDS = units.Seconds
SHARE = units.PercentUnit
COUNT = units.Short
# All digits: a count that is compared with another.
EXACT = units.LocaleFormat
BYTES = units.BytesIEC
BYTES_PER_SECOND = units.BytesPerSecondIEC
ROWS_PER_SECOND = units.RowsPerSecond
PER_SECOND = units.CountsPerSecond
PER_MINUTE = units.CountsPerMinute
OPERATIONS = units.OpsPerSecond
BRL = units.Real
TIME = units.DatetimeISO
# Seconds per second: the average number of busy sessions. Grafana has no unit for it.
SESSIONS = "suffix:sessions"
# Minimum upper end of an axis: for zeros alone Grafana would use 100, or 10,000 %.
LEAST: Mapping[str, float] = {
    SECONDS: 0.001,
    SHARE: 0.01,
    COUNT: 1,
    EXACT: 1,
    BYTES: 1024,
    BYTES_PER_SECOND: 1024,
    ROWS_PER_SECOND: 1,
    PER_SECOND: 1,
    PER_MINUTE: 1,
    OPERATIONS: 1,
    BRL: 100,
    SESSIONS: 0.01,
}


def steps(*limits: float) -> ThresholdsConfig:
    """Return green, then amber and red from these limits, or red from the only one; higher is worse."""
    colours = (AMBER, RED)[-len(limits) :]
    found = [Threshold(color=GREEN, value=None)]
    found += [
        Threshold(color=colour, value=limit) for colour, limit in zip(colours, limits, strict=True)
    ]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)


def falling(amber: float, green: float) -> ThresholdsConfig:
    """Return red, then amber and green from these limits; lower is worse."""
    return (
        ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps(
            [
                Threshold(color=RED, value=None),
                Threshold(color=AMBER, value=amber),
                Threshold(color=GREEN, value=green),
            ]
        )
    )


def up() -> ThresholdsConfig:
    """Return red, and green from 1: for a state of 0 or 1."""
    return (
        ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(color=RED, value=None), Threshold(color=GREEN, value=1)])
    )


def neutral() -> ThresholdsConfig:
    """Return a neutral colour."""
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(color=BLUE)])
