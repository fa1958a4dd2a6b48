"""One line of JSON for each log record."""

import json
import logging
import sys
from datetime import datetime
from typing import Any

from workload.logs import JsonFormatter


def line(message: str, *args: object, **attributes: Any) -> dict[str, Any]:
    record = logging.LogRecord("workload.test", logging.ERROR, "file", 1, message, args, None)
    record.__dict__.update(attributes)
    text = JsonFormatter("credit-test").format(record)
    assert "\n" not in text
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_a_line_says_when_who_and_what() -> None:
    said = line("cannot %s", "connect")
    assert datetime.fromisoformat(said.pop("time")).utcoffset() is not None
    assert said == {
        "level": "error",
        "service": "credit-test",
        "logger": "workload.test",
        "message": "cannot connect",
    }


def test_fields_of_a_call_stand_beside_the_message() -> None:
    said = line("failed", fields={"operation": "pay", "trace_id": "0" * 32})
    assert (said["operation"], said["trace_id"]) == ("pay", "0" * 32)


def test_a_traceback_stays_on_the_line() -> None:
    try:
        int("São\nPaulo")
    except ValueError:
        said = line("stumbled", exc_info=sys.exc_info())
    assert said["exception"].startswith("Traceback")
    assert said["exception"].count("\n") > 1
