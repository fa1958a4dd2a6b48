"""`mcp`: serve the lab's evidence to AI agents and scripts."""

import logging
import signal
import sys
from typing import Annotated

import typer

from lab.exam.doors import ALL, parse
from lab.foundation.settings import LabSettings
from lab.stack import mode
from lab.terminal.options import Docker, Native

PORT = 8092


def mcp(
    *,
    only: Annotated[
        str,
        typer.Option(
            "--with",
            help="Open only these doors: prometheus, datadog, apm, log, sql, or all.",
            metavar="A,B",
        ),
    ] = ALL,
    over_http: Annotated[
        bool, typer.Option("--http", help="Serve streamable HTTP on 127.0.0.1 instead of stdio.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of --http; 0 selects a free one.")
    ] = PORT,
    docker: Docker = False,
    native: Native = False,
) -> None:
    """Serve the lab's evidence to AI agents and scripts: a Model Context Protocol server, read-only.

    Without --http it speaks over stdin and stdout, started by a client; it ends with its input, or by Ctrl-C.
    """
    opened = parse(only)
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="creditlab mcp: %(message)s"
    )
    settings = LabSettings.load()
    # Imported here: the SDK takes a second, and a wrong option or setting is reported before.
    from lab.mcp.server import build  # noqa: PLC0415
    from lab.mcp.sources import Sources  # noqa: PLC0415

    server = build(
        Sources(settings=settings, requested=mode.requested(docker=docker, native=native)), opened
    )
    if not over_http:
        # The thread that waits for input cannot be interrupted otherwise; there is nothing to clean up.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        server.run("stdio")
        return
    # Imported here: the intake's packages, which stdio does not need.
    from lab.mcp import http  # noqa: PLC0415

    token = http.token_of(settings)
    with http.listening(port) as listener:
        address = f"http://{http.HOST}:{listener.getsockname()[1]}{http.PATH}"
        source = (
            "LAB_CONSOLE_TOKEN" if settings.lab_console_token else str(http.token_file(settings))
        )
        sys.stderr.write(f"creditlab mcp: {address}, bearer token: {source}\n")
        http.serve(server, token, listener)
