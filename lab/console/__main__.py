"""`python -m lab.console`: serve until SIGTERM or SIGINT."""

import os
import socket
import sys
import threading

import uvicorn

from lab.console.app import Console
from lab.console.connections import BoundedProtocol
from lab.foundation import processors
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from workload.errors import SettingsError
from workload.request_policy import is_loopback

KEEP_ALIVE_S = 15
DRAIN_S = 5
FAILED = 70  # EX_SOFTWARE


def main() -> None:
    """Serve the console on its port.

    Raises:
        LabError: when the port is taken, the store cannot be used, or a token is missing.
    """
    settings = LabSettings.load()
    if not is_loopback(settings.bind_address) and settings.lab_console_token is None:
        raise LabError(
            f"BIND_ADDRESS is {settings.bind_address}, which other machines may reach; the console then"
            " requires a token.\nSet LAB_CONSOLE_TOKEN in .env, or BIND_ADDRESS=127.0.0.1."
        )
    processors.raise_nice_value()
    threading.excepthook = _end_with_thread
    listener = _listen(settings.bind_address, settings.console_port)
    config = uvicorn.Config(
        Console(settings).application(),
        loop="asyncio",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _end_with_thread(failure: threading.ExceptHookArgs) -> None:
    """End the process when a thread fails; the supervisor starts it again.

    Without its writer or its log reader the console would answer requests, but store nothing.
    """
    threading.__excepthook__(failure)
    sys.stderr.flush()
    os._exit(FAILED)


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, port), family=family)
    except OSError as error:
        raise LabError(
            f"The console cannot listen on {address}:{port}: {error.strerror}.\n"
            "Set CONSOLE_PORT in .env to a free port."
        ) from error
    # Inherited by its connections. asyncio sets it only on sockets whose protocol number is not 0; without
    # it every response waits 40 ms for the acknowledgement of its own headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


if __name__ == "__main__":
    try:
        main()
    except (LabError, SettingsError) as failure:
        print(failure, file=sys.stderr)
        sys.exit(LabError.exit_status)
