"""Datadog's API as its client sees it: real HTTP and JSON on loopback, with an account's habits.

Like the real one it numbers what it stores, adds fields of its own, gives thresholds back as decimals and
tags in its own order, calls simple queries "metric alert", and hands dashboards out page by page.
"""

import json
import threading
from collections.abc import Iterator
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lab.datadog import key
from lab.datadog.account import Account

API_KEY = "0123456789abcdef" * 2
APP_KEY = "ddapp_" + "Xy0" * 11 + "Z"
Body = dict[str, Any]


class DatadogAccount:
    """What the account has stored, what was asked of it, and answers to give instead of its own."""

    def __init__(self) -> None:
        self.monitors: dict[int, Body] = {}
        self.dashboards: dict[str, Body] = {}
        # Query of metrics -> its series; each a list of tags and points of (seconds, value).
        self.series: dict[str, list[tuple[list[str], list[tuple[float, float | None]]]]] = {}
        # Events of Database Monitoring, and the searches for them: parameters and body.
        self.samples: list[Body] = []
        self.searches: list[tuple[dict[str, str], Body]] = []
        self.requests: list[tuple[str, str]] = []
        # (method, path) -> answers, each given once: status, body, headers.
        self.instead: dict[tuple[str, str], list[tuple[int, object, dict[str, str]]]] = {}
        self._numbers = iter(range(1000, 100_000))
        account = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                keys = (self.headers.get("DD-API-KEY"), self.headers.get("DD-APPLICATION-KEY"))
                status, answer, headers = account.answer(self.command, self.path, body, keys)
                text = answer if isinstance(answer, str) else json.dumps(answer)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text.encode())), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_PUT = answer  # noqa: N815 - the base class looks for these names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def writes(self) -> list[tuple[str, str]]:
        """The requests that changed something."""
        return [(m, path) for m, path in self.requests if m != "GET" and "validate" not in path]

    def answer(
        self, method: str, target: str, body: Body, keys: tuple[str | None, str | None]
    ) -> tuple[int, object, dict[str, str]]:
        """Answer one request."""
        url = urlsplit(target)
        self.requests.append((method, url.path))
        if waiting := self.instead.get((method, url.path)):
            return waiting.pop(0)
        if url.path == "/api/v1/validate":
            valid = keys[0] == API_KEY
            return (200, {"valid": True}, {}) if valid else (403, {"errors": ["Forbidden"]}, {})
        if keys != (API_KEY, APP_KEY):
            return 403, {"errors": ["Forbidden"]}, {}
        parameters = {name: values[0] for name, values in parse_qs(url.query).items()}
        parts = url.path.removeprefix("/api/v1/").split("/")
        if parts == ["logs-analytics", "list"]:
            self.searches.append((parameters, body))
        if parts[0] in {"query", "logs-analytics"}:
            events = {"status": "done", "result": {"events": self.samples}}
            return 200, self._queried(parameters) if parts[0] == "query" else events, {}
        if parts[0] == "monitor":
            return self._monitor(method, parts[1:], parameters, body)
        return self._dashboard(method, parts[1:], parameters, body)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def _queried(self, parameters: dict[str, str]) -> Body:
        """Points between the two moments only, stamped in milliseconds."""
        since, until = int(parameters["from"]), int(parameters["to"])
        series = [
            {
                "tag_set": tags,
                "interval": 10,
                "pointlist": [[1000 * at, v] for at, v in points if since <= at <= until],
            }
            for tags, points in self.series.get(parameters["query"], [])
        ]
        return {"status": "ok", "res_type": "time_series", "series": series}

    def _monitor(
        self, method: str, parts: list[str], parameters: dict[str, str], body: Body
    ) -> tuple[int, object, dict[str, str]]:
        if method == "GET":
            wanted = set(parameters.get("monitor_tags", "").split(","))
            found = [m for m in self.monitors.values() if wanted <= set(m["tags"])]
            return 200, found, {}
        if parts[-1:] == ["validate"]:
            valid = "nonsense" not in body["query"]
            said = "The value provided for parameter 'query' is invalid"
            return (200, {}, {}) if valid else (400, {"errors": [said]}, {})
        number = int(parts[0]) if parts else next(self._numbers)
        self.monitors[number] = _as_stored(number, body)
        return 200, self.monitors[number], {}

    def _dashboard(
        self, method: str, parts: list[str], parameters: dict[str, str], body: Body
    ) -> tuple[int, object, dict[str, str]]:
        if method == "GET" and parts:
            return 200, self.dashboards[parts[0]], {}
        if method == "GET":
            start, count = int(parameters["start"]), int(parameters["count"])
            page = list(self.dashboards.values())[start : start + count]
            short = ("id", "title", "description", "layout_type", "url")
            return 200, {"dashboards": [{k: d[k] for k in short} for d in page]}, {}
        key = parts[0] if parts else f"abc-{next(self._numbers)}"
        own = {"id": key, "url": f"/dashboard/{key}", "notify_list": None, "author_handle": "a@b"}
        self.dashboards[key] = {**_numbered(deepcopy(body)), **own}
        return 200, self.dashboards[key], {}


def _as_stored(number: int, body: Body) -> Body:
    stored = deepcopy(body)
    stored["tags"] = sorted(body["tags"], reverse=True)
    if body["type"] == "query alert":
        stored["type"] = "metric alert"
    thresholds = body["options"]["thresholds"]
    stored["options"]["thresholds"] = {name: float(value) for name, value in thresholds.items()}
    stored["options"] |= {"silenced": {}, "new_host_delay": 300}
    own = {"id": number, "multi": False, "overall_state": "No Data", "creator": {"name": "a"}}
    return {**stored, **own}


def _numbered(body: Body) -> Body:
    for number, widget in enumerate(body["widgets"], start=1):
        widget["id"] = number
        _numbered(widget["definition"] if "widgets" in widget["definition"] else {"widgets": []})
    return body


@pytest.fixture
def datadog(monkeypatch: pytest.MonkeyPatch) -> Iterator[DatadogAccount]:
    """An empty account; every `Account` leads to it instead of to Datadog."""
    account = DatadogAccount()
    monkeypatch.setattr(Account, "api_url", account.url)
    monkeypatch.setattr(Account, "web_url", account.url)
    monkeypatch.setattr(key, "api_url", lambda _: account.url)
    monkeypatch.setenv("DD_API_KEY", API_KEY)
    monkeypatch.setenv("DD_APP_KEY", APP_KEY)
    monkeypatch.delenv("DD_SITE", raising=False)
    try:
        yield account
    finally:
        account.close()
