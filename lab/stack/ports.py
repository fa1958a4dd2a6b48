"""Checks that ports are free before a start; the error names the process that listens and the setting."""

import errno
import socket
from collections import Counter
from collections.abc import Sequence

import psutil

from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack.component import Component


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
    if problems:
        raise PortTakenError(
            "\n".join(
                [*problems, "Nothing was started. Put settings into .env or the environment."]
            )
        )


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
    for connection in psutil.net_connections(kind="tcp"):
        listens = connection.status == psutil.CONN_LISTEN
        if listens and getattr(connection.laddr, "port", None) == port and connection.pid:
            try:
                process = psutil.Process(connection.pid)
                return f"{process.name()} (process {process.pid}, user {process.username()})"
            except psutil.NoSuchProcess:
                continue
    return "a process of another user"
