"""The state of the lab at a glance: what the console's first page shows, as data.

lab/drilldown follows one thing to its end; this package looks over all of them: the database's load, the
services, incidents, the health of every component and how fresh each observer's data are.
"""

from lab.console.overview.database_load import DatabaseLoad, WaitEvent, database_load
from lab.console.overview.health import Health, State, dbm_source, health
from lab.console.overview.incidents import Incident, incidents, refused_explains
from lab.console.overview.services import ServiceHealth, ServicesHealth, services_health

__all__ = [
    "DatabaseLoad",
    "Health",
    "Incident",
    "ServiceHealth",
    "ServicesHealth",
    "State",
    "WaitEvent",
    "database_load",
    "dbm_source",
    "health",
    "incidents",
    "refused_explains",
    "services_health",
]
