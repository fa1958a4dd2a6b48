"""Defaults of every command's options, as docs/ and the help state them; a switch is off unless listed."""

import json
import subprocess
import sys

from lab.foundation.settings import ROOT

# Read in a process of its own, which imports every command.
PROGRAM = """
import json
from tests.commands import all_commands
print(json.dumps({
    f"{command.name} {parameter.name}": parameter.default
    for command in all_commands() for parameter in command.command.params
    if isinstance(parameter.default, bool | int | float | str) and parameter.default not in (False, "")
}))
"""
DEFAULTS = {
    "trace asked": "slowest",
    "queries by": "time",
    "doctor datadog_role": "datadog",
    "doctor exporter_role": "postgres_exporter",
    "compare since": 600.0,
    "tour incident": 20,
    "drill run intensity": 1.0,
    "drill run verify": True,
    "drill all intensity": 1.0,
    "drill quiet lasts": 600.0,
    "drill random seed": 15,
    "drill random every": 300.0,
    "drill random intensity": 1.0,
    "mcp only": "all",
    "mcp port": 8092,
    "exam start observers": "all",
    "exam start minutes": 15.0,
    "exam answer confidence": 0.5,
    "exam check seed": 15,
    "exam ablation items": "12",
    "exam ablation seed": 15,
    "exam ablation observers": "each",
    "exam ablation player": "scripted",
    "exam ablation minutes": 5.0,
    "psql role": "lab",
}


def test_every_option_has_its_documented_default() -> None:
    """Those of `bench` are chosen for the time that a measurement takes."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{PROGRAM}"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    found = {
        name: value
        for name, value in json.loads(done.stdout).items()
        if not name.startswith("bench ")
    }
    assert found == DEFAULTS
    switches = [name for name, value in json.loads(done.stdout).items() if value is True]
    assert switches == ["drill run verify"]
