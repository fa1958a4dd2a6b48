"""What a command imports before its work: start-up time without a clock."""

import json
import subprocess
import sys

import pytest

from lab.foundation.settings import ROOT

# One process imports what all commands share, then forks for each module of commands.
IMPORTS = """
import json, os, sys
from importlib import import_module
from lab.cli import app
import lab.foundation.settings
from lab.terminal.commands import LazyCommand

def targets(group):
    for command in group.commands.values():
        module, _, name = command.target.partition(":")
        yield module
        if name == "group":
            yield from targets(command.load())

found = {}
for module in sorted(set(targets(app))):
    reader, writer = os.pipe()
    if not os.fork():
        import_module(module)
        with os.fdopen(writer, "w") as stream:
            json.dump(sorted(sys.modules), stream)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        found[module] = json.load(stream)
    os.wait()
print(json.dumps(found))
"""
# Libraries and packages that only the work of a command needs.
HEAVY = (
    "anyio", "asyncio", "datadog_api_client", "ddtrace", "faker", "google.protobuf", "jinja2", "mcp",
    "markdown_it", "prometheus_client", "starlette", "supervisor.xmlrpc", "uvicorn",
    "lab.drills.faults.burst", "lab.telemetry.intake.app", "lab.telemetry.intake.streams", "urllib.request",
)  # fmt: skip
# `--help` needs some 120 modules more; it takes less than 0.6 s with these.
MOST_MODULES = 560


@pytest.fixture(scope="module")
def imported() -> dict[str, list[str]]:
    """The modules in a process that has imported a module of commands, by its name."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", IMPORTS], cwd=ROOT, stdout=subprocess.PIPE, check=True,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )  # fmt: skip
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_a_command_imports_libraries_for_its_work_only(imported: dict[str, list[str]]) -> None:
    """No module of commands imports a web server, an SDK, a parser or the faults when it is loaded."""
    heavy = {module: set(HEAVY).intersection(names) for module, names in imported.items()}
    assert {module: names for module, names in heavy.items() if names} == {}


def test_a_command_imports_few_modules(imported: dict[str, list[str]]) -> None:
    """The number of imported modules, which determines the start-up time, has a limit."""
    counts = {module: len(names) for module, names in imported.items()}
    assert {module: count for module, count in counts.items() if count > MOST_MODULES} == {}
