"""Resources: documents beside the tools: statements, schema, settings, runbooks, metrics."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
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


ALERTS = "docs/alerts.md"
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


# Path below the root, path of the URI, title, description.
FILES = (
    ("postgres/init/20-schema.sql", "schema", "Schema of the database",
     "Tables, keys, indexes and constraints of the application, as SQL."),
    (ALERTS, "runbooks", "Alerts and runbooks",
     "Meaning of each alert and what to do. Each also at creditlab://runbooks/ALERT."),
    ("docs/metrics.md", "docs/metrics", "Metrics of the services",
     "The credit_* metrics: type, labels, unit, meaning; questions as PromQL."),
    ("docs/prometheus.md", "docs/prometheus", "Scraping, rules and queries",
     "Jobs, scrape intervals, recording rules, exporter arguments."),
    ("docs/drilldown.md", "docs/drilldown", "From a slow request to its cause",
     "How trace, statement, plan, waits and blockers are joined; missing data."),
    ("docs/workload.md", "docs/workload", "The workload",
     "The five services, their operations, target rates and limits."),
)  # fmt: skip


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
            uri="creditlab://settings",
            title="PostgreSQL's settings",
            description="pg_settings as Database Monitoring received them last; secrets are ?.",
            mime_type="application/json",
            needs=Needs(doors=(Door.DATADOG,)),
            read=lambda: encode(settings_of(sources.reader())[0]),
        ),
        *(
            Document(
                uri=f"creditlab://{path}",
                title=title,
                description=description,
                mime_type="application/sql" if file.endswith(".sql") else "text/markdown",
                read=partial(_file, file),
            )
            for file, path, title, description in FILES
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
        for found in ALERT.finditer(_file(ALERTS))
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
