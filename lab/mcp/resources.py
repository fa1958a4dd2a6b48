"""Resources: documents beside the tools: statements, schema, settings, runbooks, metrics."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lab.exam.doors import Door
from lab.foundation.errors import LabError
from lab.foundation.settings import ROOT
from lab.foundation.suggestions import unknown
from lab.mcp.answer import encode
from lab.mcp.doors import Needs
from lab.mcp.sources import Sources
from lab.mcp.tools.dbm_server import settings_of
from workload.statements import STATEMENTS

ALERT = re.compile(r"^## (?P<name>[A-Za-z]+)\n(?P<text>(?:(?!^## ).*\n?)*)", re.MULTILINE)


class NoRunbookError(LabError):
    """There is no runbook of this alert."""


OPEN = Needs()


@dataclass(frozen=True, kw_only=True)
class Document:
    """One resource: its URI, what it has, how it is read, and the doors of its data."""

    uri: str
    title: str
    description: str
    mime_type: str
    read: Callable[[], str]
    needs: Needs = OPEN


def documents(sources: Sources) -> tuple[Document, ...]:
    """Return the resources; all but the settings are files of the lab, also available when it is down."""
    return (
        Document(
            uri="creditlab://statements",
            title="Statements of the workload",
            description="Every SQL statement of the services: name, service, purpose, tables written, text.",
            mime_type="application/json",
            read=statements,
        ),
        Document(
            uri="creditlab://schema",
            title="Schema of the database",
            description="Tables, keys, indexes and constraints of the application, as SQL.",
            mime_type="application/sql",
            read=lambda: _file("postgres/init/20-schema.sql"),
        ),
        Document(
            uri="creditlab://settings",
            title="PostgreSQL's settings",
            description="pg_settings as Database Monitoring received them last; secrets are ?.",
            mime_type="application/json",
            needs=Needs(doors=(Door.DATADOG,)),
            read=lambda: encode(settings_of(sources.reader())[0]),
        ),
        Document(
            uri="creditlab://runbooks",
            title="Alerts and runbooks",
            description="Meaning of each alert and what to do. Each also at creditlab://runbooks/ALERT.",
            mime_type="text/markdown",
            read=lambda: _file("docs/alerts.md"),
        ),
        Document(
            uri="creditlab://docs/metrics",
            title="Metrics of the services",
            description="The credit_* metrics: type, labels, unit, meaning; questions as PromQL.",
            mime_type="text/markdown",
            read=lambda: _file("docs/metrics.md"),
        ),
        Document(
            uri="creditlab://docs/prometheus",
            title="Scraping, rules and queries",
            description="Jobs, scrape intervals, recording rules, exporter arguments.",
            mime_type="text/markdown",
            read=lambda: _file("docs/prometheus.md"),
        ),
        Document(
            uri="creditlab://docs/drilldown",
            title="From a slow request to its cause",
            description="How trace, statement, plan, waits and blockers are joined; missing data.",
            mime_type="text/markdown",
            read=lambda: _file("docs/drilldown.md"),
        ),
        Document(
            uri="creditlab://docs/workload",
            title="The workload",
            description="The five services, their operations, target rates and limits.",
            mime_type="text/markdown",
            read=lambda: _file("docs/workload.md"),
        ),
    )


def statements() -> str:
    """Return the statements of the workload as JSON."""
    found = [
        {
            "name": one.name,
            "service": one.service,
            "purpose": one.purpose,
            "writes": [f"{write.table} {write.action}" for write in one.writes],
            "sql": one.sql,
        }
        for one in STATEMENTS.values()
    ]
    return encode(found)


def runbooks() -> Mapping[str, str]:
    """Return the runbook of each alert by the alert's name."""
    return MappingProxyType({
        found["name"]: f"## {found['name']}\n{found['text']}".rstrip() + "\n"
        for found in ALERT.finditer(_file("docs/alerts.md"))
    })  # fmt: skip


def runbook(alert: str) -> str:
    """Return the runbook of one alert.

    Raises:
        NoRunbookError: naming the nearest alert.
    """
    known = runbooks()
    if alert not in known:
        raise NoRunbookError(unknown("runbook", alert[:60], known))
    return known[alert]


def _file(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")
