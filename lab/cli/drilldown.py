"""The data source of the drilldown commands: the files of a native lab, or the console of a container."""

from lab.drilldown import Drilldown
from lab.drilldown.remote import DrilldownClient, RemoteDrilldown
from lab.foundation.settings import LabSettings
from lab.stack import mode
from lab.stack import up_options as memory
from lab.stack.docker import lifecycle
from lab.stack.mode import Mode


def drilldown(*, docker: bool, native: bool) -> DrilldownClient:
    """Return the drilldown of the running lab, or of the requested mode.

    Raises:
        LabError: when both modes are requested.
    """
    settings = LabSettings.load()
    return drilldown_in(
        mode.decide(settings, mode.requested(docker=docker, native=native)), settings
    )


def drilldown_in(chosen: Mode, settings: LabSettings) -> DrilldownClient:
    """Return the drilldown of the running lab in a mode; that of a container is queried over HTTP."""
    if chosen is Mode.DOCKER:
        return RemoteDrilldown.of(lifecycle.reader_settings(settings))
    return Drilldown.of(memory.running_settings(settings))
