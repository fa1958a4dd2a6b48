"""Plays the programs of an installed Datadog Agent 7, as far as native mode sees them.

`agent version`, `agent run --cfgpath DIR`, `trace-agent run --config FILE`: each answers on the port that
its configuration names, and tells there how it was started.
"""

import json
import os
import signal
import sys
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from stat import S_IRWXU

VERSION = "7.85.4"
TOLD = f"Agent {VERSION} - Commit: 0123abc - Serialization version: v5.0.158 - Go version: go1.25.1"


def install(root: Path) -> Path:
    """Put a link to each program where the Agent's packages have them; return the main one."""
    main = root / "bin" / "agent" / "agent"
    for program in (main, root / "embedded" / "bin" / "trace-agent"):
        program.parent.mkdir(parents=True)
        program.write_text(
            f"#!/bin/sh\nexec '{sys.executable}' '{Path(__file__).resolve()}' \"$0\" \"$@\"\n"
        )
        program.chmod(S_IRWXU)
    return main


class Handler(BaseHTTPRequestHandler):
    """Answers everything with how the program was started."""

    def __init__(self, configuration: object, *arguments: object) -> None:
        self.configuration = configuration
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        page = {
            "argv": sys.argv[1:],
            "environment": dict(os.environ),
            "configuration": self.configuration,
        }
        payload = json.dumps(page).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    do_PUT = do_POST  # noqa: N815 - the base class's form of name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Requests are not news."""


def main(program: str, command: str, option: str = "", place: str = "") -> None:
    """Run one of the programs."""
    if command == "version":
        print(TOLD)
        return
    traces = program.endswith("trace-agent")
    assert (command, option) == ("run", "--config" if traces else "--cfgpath")
    file = Path(place) if traces else Path(place) / "datadog.yaml"
    configuration = json.loads(file.read_text(encoding="utf-8").partition("\n")[2])
    port = configuration["apm_config"]["receiver_port"] if traces else configuration["expvar_port"]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, configuration)).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
