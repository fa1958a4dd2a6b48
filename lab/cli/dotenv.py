"""Warns of unknown variables in `.env`: a misspelled name would otherwise have no effect."""

import difflib
import re

from dotenv import dotenv_values

from lab.foundation.settings import ROOT, LabSettings
from lab.terminal.screen import warn

# Read by docker compose and by the Agent's containers, not by the lab; .env.example lists them.
FOREIGN = ("COMPOSE_", "DOCKER_", "DD_", "GF_", "GRAFANA_")
# In .env.example a setting with its default value is commented out.
KNOB = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]+)=", re.MULTILINE)


def warn_of_unknown() -> None:
    """Warn of each unknown variable of `.env`, with the most similar known name."""
    file = ROOT / ".env"
    known = {name.upper() for name in LabSettings.model_fields} | _listed()
    for name in dotenv_values(file) if file.is_file() else ():
        if name.upper() not in known and not name.startswith(FOREIGN):
            close = difflib.get_close_matches(name.upper(), known, n=1)
            guess = f"; did you mean {close[0]}?" if close else "."
            warn(f"{file.name} sets {name}, which nothing reads{guess}")


def _listed() -> set[str]:
    example = ROOT / ".env.example"
    return set(KNOB.findall(example.read_text(encoding="utf-8"))) if example.is_file() else set()
