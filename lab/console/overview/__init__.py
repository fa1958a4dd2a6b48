"""The data of the console's overview page.

Database load, services, incidents, the health of every component and the age of each observer's data.
lab/drilldown has the details of one trace, statement or execution.
"""

from lab.console.overview.database_load import DatabaseLoad, WaitEvent, database_load
from lab.console.overview.health import Health, dbm_source, health
from lab.console.overview.incidents import Incident, incidents, refused_explains
from lab.console.overview.services import ServiceHealth, ServicesHealth, services_health

__all__ = [
    "DatabaseLoad",
    "Health",
    "Incident",
    "ServiceHealth",
    "ServicesHealth",
    "WaitEvent",
    "database_load",
    "dbm_source",
    "health",
    "incidents",
    "refused_explains",
    "services_health",
]
