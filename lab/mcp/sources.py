"""The sources of the tools: the running lab's Prometheus, store, drilldown and PostgreSQL, read-only."""

from dataclasses import dataclass

from lab.clients.promql import PromQL
from lab.drilldown import Drilldown
from lab.drilldown.remote import DrilldownClient, RemoteDrilldown
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack import mode, up_options
from lab.stack.docker import lifecycle
from lab.stack.mode import Mode
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
    def mode(self) -> Mode:
        """The mode of the lab; native when none runs."""
        return self.requested or next(mode.running(self.settings), Mode.NATIVE)

    def running(self) -> LabSettings:
        """Return the settings of the running lab, or the given ones when none runs."""
        if self.mode is Mode.DOCKER:
            return lifecycle.running_settings(self.settings)
        return up_options.running_settings(self.settings)

    def promql(self) -> PromQL:
        """Return the client of Prometheus."""
        return PromQL.of(self.running())

    def drilldown(self) -> Drilldown:
        """Return the drilldown on the store's file.

        Raises:
            StoreInContainerError: when the lab runs in containers.
        """
        if self.mode is Mode.DOCKER:
            raise StoreInContainerError(IN_CONTAINER)
        return Drilldown.of(self.running())

    def reader(self) -> Reader:
        """Return the reader of the store.

        Raises:
            StoreInContainerError: when the lab runs in containers.
        """
        return self.drilldown().reader

    def remote_or_local(self) -> DrilldownClient:
        """Return the drilldown, of a lab in containers that of its console."""
        if self.mode is Mode.DOCKER:
            return RemoteDrilldown.of(lifecycle.reader_settings(self.settings))
        return self.drilldown()
