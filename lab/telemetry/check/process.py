"""The process of Datadog's check: `PYTHON process.py`, in the check's environment, without the lab.

It gives the check the Agent's modules `datadog_agent` and `aggregator`, whose calls are lines of JSON on
standard output; obfuscation is a call with an answer on standard input. Its first line of input is the
configuration. Other output of the check goes to standard error.
"""

import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

KINDS = ("gauge", "rate", "count", "monotonic_count", "counter", "histogram", "historate")
PACKAGE = "datadog_checks.postgres"
# Of an Agent 7; the lab replaces it in events.
AGENT_VERSION = "7.71.0"


class Channel:
    """Calls to the lab, by all threads of the check."""

    def __init__(self) -> None:
        self._output = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._lock = threading.Lock()

    def tell(self, call: str, **values: object) -> None:
        """Send a call without an answer."""
        with self._lock:
            self._write(call, values)

    def ask(self, call: str, **values: object) -> str:
        """Send a call, and return its answer.

        Raises:
            RuntimeError: when the lab could not answer it.
        """
        with self._lock:
            self._write(call, values)
            answer = json.loads(sys.stdin.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return str(answer["value"])

    def _write(self, call: str, values: dict[str, object]) -> None:
        self._output.write(json.dumps({"call": call, **values}, default=str) + "\n")
        self._output.flush()


class _Module(ModuleType):
    """A module of the Agent: a function that it does not have does nothing, as in an older Agent."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: None


def agent_modules(channel: Channel, hostname: str) -> dict[str, ModuleType]:
    """Return the modules `datadog_agent` and `aggregator`, by name."""
    cache: dict[str, str] = {}
    agent = _Module("datadog_agent")
    agent.__dict__.update(
        get_version=lambda: AGENT_VERSION,
        get_hostname=lambda: hostname,
        get_host_tags=lambda: "{}",
        get_process_start_time=time.time,
        tracemalloc_enabled=lambda: False,
        headers=lambda *_, **__: {},
        log=lambda message, *_: print(message, file=sys.stderr),
        read_persistent_cache=lambda key: cache.get(key, ""),
        write_persistent_cache=cache.__setitem__,
        obfuscate_sql=lambda query, options=None: channel.ask("obfuscate_sql", text=query),  # noqa: ARG005
        obfuscate_sql_exec_plan=lambda plan, normalize=False: channel.ask(
            "obfuscate_plan", text=plan, normalize=normalize
        ),
    )
    aggregator = _Module("aggregator")
    aggregator.__dict__.update({kind.upper(): number for number, kind in enumerate(KINDS)})

    def metric(  # noqa: PLR0917 - the Agent's signature
        _: object,
        __: str,
        kind: int,
        name: str,
        value: float,
        tags: list[str] | None,
        hostname: str,
        flush_first_value: bool = False,
    ) -> None:
        channel.tell(
            "metric", kind=KINDS[kind], name=name, value=value, tags=tags or [], host=hostname,
            first=flush_first_value,
        )  # fmt: skip

    def service_check(
        _: object, __: str, name: str, status: int, tags: list[str] | None, host: str, message: str
    ) -> None:
        del message
        channel.tell("service_check", name=name, status=status, tags=tags or [], host=host)

    def event(_: object, __: str, raw: str, track: str) -> None:
        channel.tell("event", track=track, event=raw)

    aggregator.__dict__.update(
        submit_metric=metric,
        submit_service_check=service_check,
        submit_event_platform_event=event,
    )
    return {"datadog_agent": agent, "aggregator": aggregator}


def made(config: str) -> Any:
    """Return the check of a configuration, which is the text of its conf.yaml.

    Raises:
        ImportError: when the check, or what it needs, is missing.
    """
    base = importlib.import_module("datadog_checks.base").AgentCheck
    package = importlib.import_module(PACKAGE)
    document = importlib.import_module("yaml").safe_load(config)
    found = [
        each
        for each in vars(package).values()
        if isinstance(each, type) and issubclass(each, base) and each is not base
    ]
    if not found:
        raise ImportError(f"{PACKAGE} has no class of a check")
    check = found[0]("postgres", document.get("init_config") or {}, document["instances"])
    check.check_id = "postgres:credit-lab"
    return check


def main() -> None:
    """Run the check at its interval until SIGTERM; report each run, with its error or an empty text."""
    channel = Channel()
    first = json.loads(sys.stdin.readline())
    sys.modules.update(agent_modules(channel, first["hostname"]))
    try:
        check = made(first["config"])
    except Exception as error:  # noqa: BLE001 - whatever the check raises when it is made
        channel.tell("failed", message=f"{type(error).__name__}: {error}")
        sys.exit(1)
    stop = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    due = time.monotonic()
    while not stop.wait(max(due - time.monotonic(), 0)):
        channel.tell("ran", error=check.run() or "")
        due = max(due + first["interval_s"], time.monotonic())
    check.cancel()
    # Threads of the check that wait for the database do not hold up the end.
    os._exit(0)


if __name__ == "__main__":
    main()
