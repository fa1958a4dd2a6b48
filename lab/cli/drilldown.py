"""Which lab the drilldown's commands look into, and from where: its files, or its console."""

from lab.drilldown import Drilldown
from lab.drilldown.remote import DrilldownClient, RemoteDrilldown
from lab.foundation.settings import LabSettings
from lab.stack import mode
from lab.stack import up_options as memory
from lab.stack.docker import lifecycle
from lab.stack.mode import Mode


def drilldown(*, docker: bool, native: bool) -> DrilldownClient:
    """Return the drilldown of the lab that runs, or of the one that was asked for.

    Raises:
        LabError: when both modes are asked for.
    """
    settings = LabSettings.load()
    return drilldown_in(
        mode.decide(settings, mode.requested(docker=docker, native=native)), settings
    )


def drilldown_in(chosen: Mode, settings: LabSettings) -> DrilldownClient:
    """Return the drilldown of the lab that runs in a mode; a container's files are asked for by HTTP."""
    if chosen is Mode.DOCKER:
        return RemoteDrilldown.of(lifecycle.reader_settings(settings))
    return Drilldown.of(memory.running_settings(settings))
