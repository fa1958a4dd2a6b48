"""Which lab the drilldown's commands look into, and from where: its files, or its console."""

from lab.drilldown import Desk
from lab.drilldown.remote import Answers, RemoteDesk
from lab.foundation.settings import LabSettings
from lab.stack import mode
from lab.stack import up_options as memory
from lab.stack.docker import lifecycle
from lab.stack.mode import Mode


def desk(*, docker: bool, native: bool) -> Answers:
    """Return the desk of the lab that runs, or of the one that was asked for.

    Raises:
        LabError: when both modes are asked for.
    """
    settings = LabSettings.load()
    return desk_in(mode.decide(settings, mode.asked_for(docker=docker, native=native)), settings)


def desk_in(chosen: Mode, settings: LabSettings) -> Answers:
    """Return the desk of the lab that runs in a mode; a container's files are asked for by HTTP."""
    if chosen is Mode.DOCKER:
        return RemoteDesk.of(lifecycle.reader_settings(settings))
    return Desk.of(memory.running_settings(settings))
