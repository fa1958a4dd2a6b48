"""The data source of the drilldown commands: the files of the lab, or the console of a container."""

from lab.drilldown.client import DrilldownClient, client
from lab.foundation.settings import LabSettings
from lab.stack import mode
from lab.stack.backend import Backend


def drilldown(*, docker: bool, native: bool) -> DrilldownClient:
    """Return the drilldown of the running lab, or of the requested mode.

    Raises:
        LabError: when both modes are requested.
    """
    requested = mode.requested(docker=docker, native=native)
    return drilldown_of(mode.decide(LabSettings.load(), requested))


def drilldown_of(backend: Backend) -> DrilldownClient:
    """Return the drilldown of the running lab."""
    return client(backend.running_settings(), has_store=backend.has_store)
