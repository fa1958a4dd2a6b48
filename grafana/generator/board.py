"""A dashboard: rows of panels, shared variables and annotations, links to the other dashboards.

The name `board` distinguishes it from the SDK's Dashboard, which it builds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders.dashboard import (
    CustomVariable,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
    TextBoxVariable,
)
from grafana_foundation_sdk.models import dashboard as models

from grafana.generator.incidents import ANNOTATIONS
from grafana.generator.panels import Panel, link
from grafana.generator.source import PROMETHEUS, UID, of_instance

TAG = "credit-lab"
OVERVIEW, QUERIES, QUERY, TABLES, SESSIONS, INTERNALS, OBSERVERS, COMPARISON, SHOP = (
    f"credit-lab-{name}"
    for name in (
        "overview",
        "queries",
        "query",
        "tables",
        "sessions",
        "internals",
        "observers",
        "comparison",
        "shop",
    )
)
# The web hosts of Datadog's sites; the first is the default.
DATADOG_HOSTS = (
    "app.datadoghq.com",
    "app.datadoghq.eu",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "app.ddog-gov.com",
)
# With the default CONSOLE_PORT; Grafana does not expand environment variables in dashboards.
CONSOLE = "http://127.0.0.1:8088"
ALL = models.VariableOption(selected=True, text=["All"], value=["$__all"])


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled row of panels; the last ones of a long dashboard may be collapsed at first."""

    title: str
    panels: Sequence[Panel]
    collapsed: bool = False


def board(
    uid: str,
    title: str,
    description: str,
    *sections: Section,
    variables: Sequence[QueryVariable] = (),
) -> models.Dashboard:
    """Return a dashboard with a stable id for each panel, so that links to panels stay valid."""
    built = (
        Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .timezone("browser")
        .time("now-30m", "now")
        .refresh("10s")
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .annotations(list(ANNOTATIONS))
    )
    for variable in (_datasource(), _instance(), *variables, _datadog(), _console()):
        built = built.with_variable(variable)
    for destination in _links():
        built = built.link(destination)
    for section in sections:
        row = Row(section.title)
        if section.collapsed:
            for panel in section.panels:
                row = row.with_panel(panel)
            built = built.with_row(row)
        else:
            built = built.with_row(row)
            for panel in section.panels:
                built = built.with_panel(panel)
    made = built.build()
    for number, placed in enumerate(_placed(made), start=1):
        placed.id_val = number
    return made


def _placed(made: models.Dashboard) -> Iterator[models.Panel | models.RowPanel]:
    """Yield the rows and panels in order, those of collapsed rows included."""
    for panel in made.panels or []:
        yield panel
        if isinstance(panel, models.RowPanel):
            yield from panel.panels


def choose(
    name: str,
    label: str,
    query: str,
    description: str,
    *,
    current: str | None = None,
    several: bool = True,
) -> QueryVariable:
    """Return a variable whose values are those of a label.

    Args:
        name: the variable's name, without $.
        label: the displayed name.
        query: label_values(selector, label).
        description: the effect of a choice.
        current: the initial value; by default all.
        several: whether more than one value can be selected. A single-value variable has no "All".
    """
    variable = (
        QueryVariable(name)
        .label(label)
        .description(description)
        .datasource(PROMETHEUS)
        .query(
            {"query": of_instance(query), "refId": "PrometheusVariableQueryEditor-VariableQuery"}
        )
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(several)
        .include_all(several)
    )
    if several:
        variable = variable.all_value(".*").current(ALL)
    if current is not None:
        chosen: str | list[str] = [current] if several else current
        variable = variable.current(models.VariableOption(selected=True, text=chosen, value=chosen))
    return variable


def _instance() -> QueryVariable:
    """Return the variable $instance: the database servers, by the address that the exporter's target has."""
    return (
        QueryVariable("instance")
        .label("Instance")
        .description("Database servers whose series are shown")
        .datasource(PROMETHEUS)
        .query(
            {
                "query": "label_values(pg_up, instance)",
                "refId": "PrometheusVariableQueryEditor-VariableQuery",
            }
        )
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(ALL)
    )


def service(series: str = "credit_service_info") -> QueryVariable:
    """Return the variable $service."""
    return choose(
        "service",
        "Service",
        f"label_values({series}, service)",
        "Services whose panels and statements are shown",
    )


def database() -> QueryVariable:
    """Return the hidden variable $database: the database whose tables the exporter reads."""
    return choose(
        "database",
        "Database",
        "label_values(pg_stat_user_tables_n_live_tup, datname)",
        "The database that the services use",
        several=False,
    ).hide(models.VariableHide.HIDE_VARIABLE)


def to_query() -> str:
    """Return the address of the query detail for a row that has the columns statement and queryid."""
    row = "var-statement=${__data.fields.statement}&var-queryid=${__data.fields.queryid}"
    return f"/d/{QUERY}?{row}&{_KEPT}"


def to_service() -> str:
    """Return the address of the overview for a series that has the label service."""
    return f"/d/{OVERVIEW}?var-service=${{__field.labels.service}}&{_KEPT}"


def to_table() -> str:
    """Return the address of the tables for a row that has the column table."""
    return f"/d/{TABLES}?var-table=${{__data.fields.table}}&{_KEPT}"


def to_board(uid: str) -> str:
    """Return the address of another dashboard at the same time range."""
    return f"/d/{uid}?{_KEPT}"


def to_statement() -> str:
    """Return the address of the query detail for a row that has the column statement, of all its queryids."""
    return f"/d/{QUERY}?var-statement=${{__data.fields.statement}}&{_KEPT}"


def in_console() -> str:
    """Return the address in the console of a statement, for a row that has the column statement."""
    return "${console}/queries/${__data.fields.statement:percentencode}"


def of_row() -> dict[str, list[DashboardLink]]:
    """Return the links of a row that has the columns statement and queryid, by column."""
    queryid = "${console}/queries/${__data.fields.queryid}"
    return {
        "statement": [
            link("Detail of this statement", to_query()),
            link("In the console", in_console()),
            link("In Datadog DBM", in_dbm()),
        ],
        "queryid": [link("This queryid", to_query()), link("In the console", queryid)],
    }


def series_in_console() -> str:
    """Return the address in the console of a statement, for a series that has the label statement."""
    return "${console}/queries/${__field.labels.statement:percentencode}"


def chosen_in_console() -> str:
    """Return the address in the console of the statement that the variable $statement selects."""
    return "${console}/queries/${statement:percentencode}"


def sessions_in_console() -> str:
    """Return the address of the console's page of current sessions, with the blocking tree."""
    return "${console}/sessions"


def in_alerts() -> str:
    """Return the address in the console of an alert, for a row that has the column alertname."""
    return "${console}/runbook/${__data.fields.alertname}"


def in_dbm() -> str:
    """Return the address of DBM's samples of a statement, for a row that has the column statement."""
    return "https://${datadog}/databases/samples?query=statement:${__data.fields.statement}"


_KEPT = "${__url_time_range}&${instance:queryparam}&${datadog:queryparam}&${console:queryparam}"


def _links() -> list[DashboardLink]:
    def datadog(title: str, path: str, tip: str) -> DashboardLink:
        return (
            DashboardLink(title)
            .type(models.DashboardLinkType.LINK)
            .url(f"https://${{datadog}}/{path}")
            .icon("external link")
            .tooltip(tip)
            .target_blank(True)
        )

    return [
        DashboardLink("Credit Lab dashboards")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True),
        datadog("DBM: databases", "databases/list", "Database Monitoring: hosts, load, waits"),
        datadog("DBM: queries", "databases/queries", "Normalized queries, their metrics and plans"),
        datadog(
            "DBM: samples", "databases/samples", "Executions, explain plans, blocking sessions"
        ),
        datadog("APM: traces", "apm/traces", "The requests of the same services"),
        DashboardLink("Console")
        .type(models.DashboardLinkType.LINK)
        .url("${console}/")
        .icon("external link")
        .tooltip("The lab's own pages: traces, executed plans, sessions, drills")
        .target_blank(True),
    ]


def _datadog() -> CustomVariable:
    first = DATADOG_HOSTS[0]
    return (
        CustomVariable("datadog")
        .label("Datadog site")
        .description("Target of the links to Datadog: the host of your account's site")
        .values(",".join(DATADOG_HOSTS))
        .current(models.VariableOption(selected=True, text=first, value=first))
        .options(
            [
                models.VariableOption(selected=host == first, text=host, value=host)
                for host in DATADOG_HOSTS
            ]
        )
    )


def _console() -> TextBoxVariable:
    return (
        TextBoxVariable("console")
        .label("Console")
        .description("Address of the lab's console for your browser: the target of links to it")
        .default_value(CONSOLE)
        .current(models.VariableOption(selected=True, text=CONSOLE, value=CONSOLE))
        .options([models.VariableOption(selected=True, text=CONSOLE, value=CONSOLE)])
    )


def _datasource() -> DatasourceVariable:
    """Return the hidden variable $datasource; `?var-datasource=UID` selects another Prometheus."""
    return (
        DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that all panels read")
        .type("prometheus")
        .current(models.VariableOption(selected=True, text="Prometheus", value=UID))
        .hide(models.VariableHide.HIDE_VARIABLE)
    )
