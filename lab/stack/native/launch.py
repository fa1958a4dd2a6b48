"""`python -m lab.stack.native.launch COMPONENT`: execs a component. The supervisor runs only this program.

So the supervisor's configuration has no secret and no path of the clone, which may have spaces. The process
keeps its id over the exec; it writes a record by which the lab finds it.
"""

import os
import sys

from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.components import chosen, find
from lab.stack.native.command import Launch
from lab.stack.native.commands import COMMANDS
from lab.stack.native.records import Record
from lab.stack.up_options import UpOptions
from workload.errors import SettingsError


def main(name: str) -> None:
    """Prepare a component, write its record, and exec it.

    Raises:
        LabError: when it cannot be prepared.
    """
    settings = LabSettings.load()
    options = UpOptions.read(Paths.of(settings).up_options) or UpOptions()
    settings = options.running(settings)
    component = find(name)
    launch = Launch(settings=settings, services=chosen(options.services, shop=bool(options.shop)))
    command = COMMANDS[component.name](launch)
    record = Record.of_this_process(
        name, version=command.version, address=component.address(settings)
    )
    record.write(launch.paths.run)
    sys.stdout.flush()
    os.chdir(command.directory)
    os.execve(command.argv[0], command.argv, command.environment)  # noqa: S606


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (LabError, SettingsError, OSError) as failure:
        sys.exit(f"lab.stack.native.launch: {failure}")
