"""Client of supervisord: writes its configuration, starts it, and calls it by XML-RPC.

Its socket is in the state directory, whose path may be longer than the 107 bytes of a socket's address. So
both sides use a path below /proc: supervisord by its working directory, the client by an open directory. For
the same reason, and because of spaces, all paths in the configuration are relative.
"""

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import Any
from xmlrpc.client import Error, Fault, ServerProxy, Transport

import psutil
from supervisor.states import STOPPED_STATES, ProcessStates

from lab.foundation import statefile
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.readiness import NotReadyError, await_state
from lab.stack.components import Component
from lab.stack.native.records import Record

NAME = "supervisord"
SOCKET = "supervisor.sock"
START_WITHIN_S = 20
# Timeout of each answer of supervisord; a stopped or hung one must not block a command.
ANSWER_WITHIN_S = 5.0
KILL_WITHIN_S = 5
LOG_BYTES = 5_000_000


@dataclass(frozen=True, kw_only=True)
class SupervisedProcess:
    """supervisord's state of one component; `pid` is None when no process runs."""

    state: int
    pid: int | None

    @property
    def is_up(self) -> bool:
        """Whether a process runs or will be restarted."""
        return self.state not in STOPPED_STATES

    @property
    def keeps_failing(self) -> bool:
        """Whether it ended soon after its start: supervisord waits before the next attempt, or gave up."""
        return self.state in (ProcessStates.BACKOFF, ProcessStates.FATAL)


class SupervisionError(LabError):
    """supervisord refused a request; see `./creditlab logs supervisord`."""


class _Connection(HTTPConnection):
    """An HTTP connection to a socket's path, with a timeout for each answer."""

    def __init__(self, address: str) -> None:
        super().__init__("localhost", timeout=ANSWER_WITHIN_S)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_WITHIN_S)
        self.sock.connect(self._address)


class _Transport(Transport):
    """XML-RPC over a socket's path. supervisor's own transport imports its whole server."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def make_connection(self, host: Any) -> HTTPConnection:
        """Return the connection; `close` closes it."""
        connection = self._connection[1] or _Connection(self._address)
        self._connection = host, connection
        return connection


class Supervisor:
    """The supervisord of one state directory, running or not."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def answers(self) -> bool:
        """Whether supervisord runs and answers."""
        try:
            with self._connected() as server:
                return server.supervisor.getPID() is not None
        except (OSError, HTTPException, Error):
            return False

    def lives(self) -> bool:
        """Whether the process of the last start exists, whether it answers or not."""
        record = Record.read(self._paths.run, NAME)
        return record is not None and record.process() is not None

    def start(self, components: Iterable[Component], variables: Mapping[str, str]) -> None:
        """Start supervisord, without components.

        Args:
            components: the components that it can start.
            variables: its environment, which its programs inherit; the only way in which secrets are passed.

        Raises:
            SupervisionError: when it refuses to start.
        """
        state = self._paths.state
        configuration = state / "supervisord.conf"
        components = tuple(components)
        self._make_room(c.name for c in components)
        statefile.write(configuration, configure(components, as_root=os.geteuid() == 0).encode())
        done = subprocess.run(
            [sys.executable, "-P", "-m", "lab.stack.native.launch", "-c", configuration.name],
            cwd=state,
            env={**variables, "LAB_PYTHON": shlex.quote(sys.executable)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SupervisionError(f"supervisord did not start:\n{done.stdout.strip()}")
        await_state(
            "supervisord answers",
            lambda: None if self.answers() else "nothing",
            within_s=START_WITHIN_S,
        )
        pid = self.pid()
        Record(
            component=NAME,
            pid=pid,
            created=psutil.Process(pid).create_time(),
            version=str(self._call("getSupervisorVersion")),
            address="supervisor.sock",
        ).write(self._paths.run)

    def _make_room(self, components: Iterable[str]) -> None:
        """Set aside irregular files with the names of supervisord's files: it would not start."""
        statefile.make_directory(self._paths.logs)
        for log in (NAME, *components):
            statefile.make_room(self._paths.log(log))
        statefile.make_room(self._paths.state / f"{NAME}.pid")
        address = self._paths.state / SOCKET
        if os.path.lexists(address) and not address.is_socket():
            statefile.set_aside(address, "it is no socket")

    def pid(self) -> int:
        """Return the id of supervisord's own process."""
        return int(self._call("getPID"))

    def processes(self) -> dict[str, SupervisedProcess]:
        """Return the state of each component, by name."""
        return {
            info["name"]: SupervisedProcess(state=info["state"], pid=info["pid"] or None)
            for info in self._call("getAllProcessInfo")
        }

    def start_component(self, name: str) -> None:
        """Start a component; return before it is ready."""
        self._call("startProcess", name, False)

    def stop_components(
        self, components: Sequence[Component], stopped: Callable[[str], None] = lambda _: None
    ) -> None:
        """Stop components concurrently, and return when they have ended; stopped ones are ignored.

        The deadlines of all of them begin at once, so that the longest one limits the call.

        Raises:
            NotReadyError: when one still runs after its deadline and SIGKILL.
        """
        begun = time.monotonic()

        def left(within_s: float) -> float:
            return max(0.0, begun + within_s - time.monotonic())

        up = {name for name, process in self.processes().items() if process.is_up}
        ending = [component for component in components if component.name in up]
        for component in ending:
            with suppress(NotReadyError):
                await_state(
                    f"{component.name} was launched",
                    partial(self._is_being_forked, component.name),
                    within_s=left(START_WITHIN_S),
                )
            self._call("stopProcess", component.name, False)
        for component in ending:
            await_state(
                f"{component.name} has stopped",
                partial(self._still_runs, component.name),
                within_s=left(START_WITHIN_S + component.stop_within_s + KILL_WITHIN_S),
            )
            stopped(component.name)

    def _is_being_forked(self, name: str) -> str | None:
        """Return a text while a child has not exec'ed: supervisord's handlers would ignore a signal to it."""
        pid = self.processes()[name].pid
        record = Record.read(self._paths.run, name)
        return f"process {pid} is new" if pid and (not record or record.pid != pid) else None

    def _still_runs(self, name: str) -> str | None:
        return "it still runs" if self.processes()[name].is_up else None

    def shut_down(self) -> None:
        """Make supervisord stop all components, and end."""
        self._call("shutdown")

    def _call(self, method: str, *arguments: object) -> Any:
        try:
            with self._connected() as server:
                return getattr(server.supervisor, method)(*arguments)
        except Fault as fault:
            raise SupervisionError(f"supervisord: {fault.faultString}") from None
        except (OSError, HTTPException, Error) as error:
            raise SupervisionError(
                f"supervisord does not answer within {ANSWER_WITHIN_S:g} s: {error}"
            ) from error

    @contextmanager
    def _connected(self) -> Iterator[ServerProxy]:
        directory = os.open(self._paths.state, os.O_RDONLY | os.O_DIRECTORY)
        try:
            transport = _Transport(f"/proc/self/fd/{directory}/{SOCKET}")
            with ServerProxy("http://localhost", transport=transport) as server:
                yield server
        finally:
            os.close(directory)


def configure(components: Iterable[Component], *, as_root: bool) -> str:
    """Return supervisord's configuration; it has no secret and no path of this machine."""
    main = {
        "logfile": f"logs/{NAME}.log",
        "logfile_maxbytes": str(LOG_BYTES),
        "logfile_backups": "1",
        "pidfile": f"{NAME}.pid",
        "childlogdir": "logs",
        "identifier": "credit-lab",
    }
    if as_root:
        main["user"] = "root"  # explicit, or supervisord warns at every start
    sections = {
        "unix_http_server": {"file": f"/proc/self/cwd/{SOCKET}", "chmod": "0700"},
        "supervisord": main,
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        **{f"program:{c.name}": _program(c) for c in components},
    }
    return "\n".join(
        "\n".join([f"[{name}]", *(f"{key}={value}" for key, value in options.items()), ""])
        for name, options in sections.items()
    )


def _program(component: Component) -> dict[str, str]:
    return {
        # lab/stack/native/launch.py reads only the name; the program must exist for supervisord.
        "command": f"%(ENV_LAB_PYTHON)s {component.name}",
        "autostart": "false",
        "autorestart": "true",
        # Longer than a launch on a busy machine: else a component that always fails counts as started.
        "startsecs": "5",
        # A killed postmaster cannot restart before its last backend has ended: that takes several attempts.
        "startretries": "1000",
        "stopsignal": component.stop_signal,
        "stopwaitsecs": str(component.stop_within_s),
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": f"logs/{component.name}.log",
        "stdout_logfile_maxbytes": str(LOG_BYTES),
        "stdout_logfile_backups": "1",
    }
