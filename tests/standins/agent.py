"""Plays the Datadog Agent: answers the tracer, and counts what it got of each service at /received.

It also tells the environment that datadog/entrypoint.sh decided on, at /environment, less any secret.
"""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

INFO = {"version": "7.0.0-standin", "endpoints": ["/v0.4/traces", "/v0.5/traces", "/info"]}
PORT = 8126


class Agent(BaseHTTPRequestHandler):
    """One request of a tracer or a test."""

    received: ClassVar[dict[str, int]] = {}
    lock = threading.Lock()

    def do_GET(self) -> None:
        pages = {"/info": INFO, "/received": self.received, "/environment": decided()}
        self.answer(pages.get(self.path, {}))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.lock:
            # DD_SERVICE stands in the payload's table of strings; no more is asked of a stand-in.
            for name in ("proposals", "underwriting", "customers", "servicing", "risk"):
                if self.path.endswith("/traces") and f"credit-{name}".encode() in body:
                    self.received[f"credit-{name}"] = self.received.get(f"credit-{name}", 0) + 1
        self.answer({"rate_by_service": {"service:,env:": 1.0}})

    do_PUT = do_POST  # noqa: N815 - the base class's form of name

    def answer(self, page: object) -> None:
        payload = json.dumps(page).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Requests are not news."""


def decided() -> dict[str, str]:
    """Return the Agent's settings."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("DD_") and "KEY" not in name
    }


if __name__ == "__main__":
    # Process 1 ignores what it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    ThreadingHTTPServer(("", PORT), Agent).serve_forever()
