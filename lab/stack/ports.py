"""Checks that ports are free before a start; the error names the process that listens and the setting."""

import errno
import socket
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from shlex import quote

import psutil

from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack.components import Component

# Modules that the native lab's own processes run.
OWN = frozenset({"workload", "lab.console", "lab.telemetry.embedded"})


class PortTakenError(LabError):
    """A port is in use; stop the process that listens on it, or set another port in .env."""


def require_free(components: Sequence[Component], settings: LabSettings) -> None:
    """Return when every port of these components can be bound.

    Raises:
        PortTakenError: with one line for each that cannot: the port, its process, the setting.
    """
    problems = [*_given_twice(components, settings)]
    for component in components:
        host = settings.bind_address if component.http else settings.postgres_host
        port: int = getattr(settings, component.port)
        problem = _problem(host, port)
        if problem:
            problems.append(
                f"Port {port}, which {component.name} needs, {problem}: set another with"
                f" {component.port.upper()}."
            )
    if problems and (other := _other_lab(components, settings)):
        problems.insert(0, other)
    if problems:
        raise PortTakenError(
            "\n".join(
                [*problems, "Nothing was started. Put settings into .env or the environment."]
            )
        )


def _other_lab(components: Sequence[Component], settings: LabSettings) -> str | None:
    """Return how to stop another Credit Lab that listens on these ports; None when no process is of one.

    A process of a lab runs a module of it in the clone; the console has the state directory in its
    environment.
    """
    directory, state = None, None
    for process in _listening({getattr(settings, component.port) for component in components}):
        with suppress(psutil.Error):
            if not OWN.intersection(process.cmdline()):
                continue
            directory = process.cwd()
            state = process.environ().get("LAB_STATE_DIR") or state
    if directory is None or not (Path(directory) / "creditlab").is_file():
        return None
    own = Path(directory) / ".lab"
    variable = f"LAB_STATE_DIR={quote(state)} " if state and Path(state) != own else ""
    return (
        f"Another Credit Lab runs in {directory}, on the ports of this one.\n"
        f"To stop it: cd {quote(directory)} && {variable}./creditlab down\n"
        "Or give this one other ports:"
    )


def _listening(ports: Collection[int]) -> Iterator[psutil.Process]:
    for connection in psutil.net_connections(kind="tcp"):
        listens = connection.status == psutil.CONN_LISTEN
        if listens and getattr(connection.laddr, "port", None) in ports and connection.pid:
            with suppress(psutil.NoSuchProcess):
                yield psutil.Process(connection.pid)


def _given_twice(components: Sequence[Component], settings: LabSettings) -> list[str]:
    counts = Counter(getattr(settings, c.port) for c in components)
    twice = {port for port, count in counts.items() if count > 1}
    return [
        f"Port {port} is set for several components: "
        + ", ".join(c.port.upper() for c in components if getattr(settings, c.port) == port)
        for port in sorted(twice)
    ]


def _problem(host: str, port: int) -> str | None:
    try:
        [(family, kind, _, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )
        with socket.socket(family, kind) as probe:
            # As servers do: connections in TIME_WAIT do not prevent the bind.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        return f"cannot be opened on {host} ({error.strerror})"
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"is in use by {_process_on(port)}"
        return f"cannot be opened on {host} ({error.strerror})"
    return None


def _process_on(port: int) -> str:
    for process in _listening({port}):
        with suppress(psutil.NoSuchProcess):
            return f"{process.name()} (process {process.pid}, user {process.username()})"
    return "a process of another user"
