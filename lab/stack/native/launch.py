"""`python -m lab.stack.native.launch -c FILE`: supervisord, whose children exec the components.

A launch needs the lab's settings and commands, whose import takes as much CPU time as that of the libraries
of a service. supervisord imports them once; the child that it forks for a program has them. Its
configuration has no secret and no path of the clone, which may have spaces. The child keeps its id over the
exec; it writes a record by which the lab finds it.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from supervisor import supervisord
from supervisor.options import ServerOptions

from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.components import chosen, find
from lab.stack.native.commands import COMMANDS, Launch
from lab.stack.native.records import Record
from lab.stack.up_options import UpOptions
from workload.errors import SettingsError

# supervisord handles these; a child has its handlers until the exec.
HANDLED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGUSR2,
)
FAILED = 1


class LaunchingOptions(ServerOptions):  # type: ignore[misc]  # supervisor has no types
    """supervisord's options, of which `execve` launches the component that the last argument names."""

    def execve(
        self, _program: str, argv: Sequence[str], environment: Mapping[str, str]
    ) -> NoReturn:
        """In the forked child: become the component, or exit with the reason in its log."""
        for number in HANDLED:
            signal.signal(number, signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(environment)
        try:
            launch(argv[-1])
        except (LabError, SettingsError, OSError) as failure:
            os.write(sys.stderr.fileno(), f"{argv[-1]} was not launched: {failure}\n".encode())
            os._exit(FAILED)


def launch(name: str) -> NoReturn:
    """Prepare a component, write its record, and exec it.

    Raises:
        LabError: when it cannot be prepared.
    """
    settings = LabSettings.load()
    options = UpOptions.read(Paths.of(settings).up_options) or UpOptions()
    settings = options.running(settings)
    component = find(name)
    launched = Launch(settings=settings, services=chosen(options.services, shop=bool(options.shop)))
    command = COMMANDS[component.name](launched)
    record = Record.of_this_process(
        name, version=command.version, address=component.address(settings)
    )
    record.write(launched.paths.run)
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(command.directory)
    os.execve(command.argv[0], command.argv, command.environment)  # noqa: S606


if __name__ == "__main__":
    # supervisord's main has no parameter for the class of its options, which it makes again after SIGHUP.
    supervisord.ServerOptions = LaunchingOptions
    supervisord.main()
