"""What commands need of the drilldown, on the store's file or over HTTP; each is imported when it is used."""

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from lab.foundation.settings import LabSettings

if TYPE_CHECKING:
    from lab.drilldown.queries import By, QuerySummary
    from lab.drilldown.query import Query
    from lab.drilldown.report import TraceReport
    from lab.drilldown.sessions import Sessions


class DrilldownClient(Protocol):
    """The methods that the CLI uses, of the local and the remote drilldown; see Drilldown for each."""

    def report(self, key: str, service: str | None = None) -> "TraceReport":
        """Return a trace with every statement explained."""

    def report_explained(self, since: datetime) -> "TraceReport | None":
        """Return the slowest trace since then that has an executed plan or a lock wait."""

    def queries(self, by: "By" = ...) -> "tuple[QuerySummary, ...]":
        """Return the top statements of the last hour."""

    def query(self, key: str, *, advise: bool = False) -> "Query":
        """Return one statement over the last hour, on request with index advice."""

    def sessions(self) -> "Sessions":
        """Return PostgreSQL's current sessions."""


def client(settings: LabSettings, *, has_store: bool) -> DrilldownClient:
    """Return the drilldown on the store's file, or without the file that of the console, over HTTP."""
    if has_store:
        from lab.drilldown.local import Drilldown  # noqa: PLC0415

        return Drilldown.of(settings)
    from lab.drilldown.remote import RemoteDrilldown  # noqa: PLC0415

    return RemoteDrilldown.of(settings)
