"""Plays Grafana: says that it is healthy when what it would be provisioned from is there and readable."""

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PROVISIONED = (Path("/etc/grafana/provisioning"), Path("/etc/grafana/dashboards"))
PORT = 3000


class Grafana(BaseHTTPRequestHandler):
    """One request of a health check or a test."""

    def do_GET(self) -> None:
        readable = all(any(directory.iterdir()) for directory in PROVISIONED)
        payload = json.dumps({"database": "ok" if readable else "nothing provisioned"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Requests are not news."""


if __name__ == "__main__":
    # Process 1 ignores what it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    ThreadingHTTPServer(("", PORT), Grafana).serve_forever()
