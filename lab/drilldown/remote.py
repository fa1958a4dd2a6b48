"""Client of the console's drilldown API, for a store in a container's volume.

lab/console/api.py is the server. Links are built here, because only the client knows the addresses that are
reachable from this machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Self, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from lab.clients import http
from lab.drilldown import ids
from lab.drilldown.errors import MalformedIdError, NotFoundError
from lab.drilldown.links import Links
from lab.drilldown.queries import By, QuerySummary
from lab.drilldown.query import Query
from lab.drilldown.report import TraceReport
from lab.drilldown.sessions import Sessions
from lab.foundation.addresses import reachable
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings

API = "/api/drilldown"
# Commands and MCP tools record their requests in an exam themselves.
RECORDED = {"X-Lab-Recorded": "by the client"}
# Longer than the sum of the drilldown's own time limits.
TIMEOUT_S = 10.0
T = TypeVar("T")
# The error of each HTTP status, so that client and server raise the same.
STATUS: Mapping[int, type[LabError]] = {
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.UNPROCESSABLE_ENTITY: MalformedIdError,
}


class ConsoleUnavailableError(LabError):
    """The console does not answer; check `./creditlab status` and `./creditlab logs console`."""


@dataclass(frozen=True, kw_only=True)
class RemoteDrilldown:
    """See Drilldown. Every method raises ConsoleUnavailableError when the console does not answer."""

    host: str
    port: int
    token: str | None
    links: Links

    @classmethod
    def of(cls, settings: LabSettings) -> Self:
        """Return the client of the console with these settings."""
        token = settings.lab_console_token
        return cls(
            host=reachable(settings.bind_address),
            port=settings.console_port,
            token=token.get_secret_value() if token else None,
            links=Links.of(settings),
        )

    def report(self, key: str, service: str | None = None) -> TraceReport:
        """Return a trace with every statement explained."""
        if key == ids.SLOWEST:
            wanted = {"service": service} if service else {}
            return self._linked(self._get(f"/trace/{ids.SLOWEST}", wanted, TraceReport))
        found = self._get(f"/trace/{quote(key, safe='')}", {}, TraceReport)
        return self._linked(found, ids.parse(key).span_id)

    def report_explained(self, since: datetime) -> TraceReport | None:
        """Return the slowest trace since then that has an executed plan or a lock wait."""
        wanted = {"since": since.isoformat()}
        found = self._get("/slowest-explained", wanted, TraceReport | None)  # type: ignore[arg-type]
        return self._linked(found) if found else None

    def queries(self, by: By = By.TIME) -> tuple[QuerySummary, ...]:
        """Return the top statements of the last hour."""
        return self._get("/queries", {"by": by.value}, tuple[QuerySummary, ...])

    def query(self, key: str, *, advise: bool = False) -> Query:
        """Return one statement over the last hour, on request with index advice."""
        wanted = {"advise": "1"} if advise else {}
        return self._get(f"/query/{quote(key, safe='')}", wanted, Query)

    def sessions(self) -> Sessions:
        """Return PostgreSQL's current sessions."""
        return self._get("/sessions", {}, Sessions)

    def _linked(self, report: TraceReport, span_id: str | None = None) -> TraceReport:
        links = self.links.trace(report.trace_id, start=report.start, span_id=span_id)
        return replace(report, links=links)

    def _get(self, path: str, parameters: Mapping[str, str], kind: type[T]) -> T:
        query = f"?{urlencode(parameters)}" if parameters else ""
        try:
            response = http.send(
                "GET", self.host, self.port, f"{API}{path}{query}", token=self.token,
                headers=RECORDED, timeout_s=TIMEOUT_S,
            )  # fmt: skip
        except http.NoResponseError as error:
            raise ConsoleUnavailableError(
                f"The console does not answer at {self.host}:{self.port}: {error}.\n"
                "Check `./creditlab status` and `./creditlab logs console`."
            ) from error
        if not response.is_ok:
            message = _error_message(response.body, response.status)
            raise STATUS.get(response.status, LabError)(message)
        return msgspec.json.decode(response.body, type=kind)


def _error_message(body: bytes, status: int) -> str:
    try:
        return "\n".join(msgspec.json.decode(body, type=dict[str, list[str]])["errors"])
    except (msgspec.DecodeError, KeyError):
        return f"The console answers with status {status}."
