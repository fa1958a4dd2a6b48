"""The sources of the tools: the running lab's Prometheus, store, drilldown and PostgreSQL, read-only."""

from dataclasses import dataclass

from lab.clients.promql import PromQL
from lab.drilldown import Drilldown
from lab.drilldown.client import DrilldownClient, client
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack import mode
from lab.stack.backend import Backend, Mode
from lab.telemetry.store import Reader

IN_CONTAINER = (
    "The lab runs in containers, and this tool reads the store's file, which only they have.\n"
    "Use promql_query, promql_range, lab_trace, lab_execution, lab_statement, dbm_query_metrics or"
    " lab_sessions: these also work with a lab in containers."
)


class StoreInContainerError(LabError):
    """The lab runs in containers, and a tool reads the store's file, which only they have."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The sources of one lab, found again for each call: it may be started or restarted meanwhile.

    `requested` is the mode of `--docker` or `--native`; None: the one that runs.
    """

    settings: LabSettings
    requested: Mode | None = None

    @property
    def backend(self) -> Backend:
        """The backend of the lab; native when none runs."""
        if self.requested:
            return mode.backend(self.requested, self.settings)
        return mode.current(self.settings)

    @property
    def has_store(self) -> bool:
        """Whether this machine has the store's file."""
        return self.backend.has_store

    def running(self) -> LabSettings:
        """Return the settings of the running lab, or the given ones when none runs."""
        return self.backend.running_settings()

    def promql(self) -> PromQL:
        """Return the client of Prometheus."""
        return PromQL.of(self.running())

    def drilldown(self) -> Drilldown:
        """Return the drilldown on the store's file.

        Raises:
            StoreInContainerError: when the lab runs in containers.
        """
        backend = self.backend
        if not backend.has_store:
            raise StoreInContainerError(IN_CONTAINER)
        return Drilldown.of(backend.running_settings())

    def reader(self) -> Reader:
        """Return the reader of the store.

        Raises:
            StoreInContainerError: when the lab runs in containers.
        """
        return self.drilldown().reader

    def remote_or_local(self) -> DrilldownClient:
        """Return the drilldown, of a lab in containers that of its console."""
        backend = self.backend
        return client(backend.running_settings(), has_store=backend.has_store)
