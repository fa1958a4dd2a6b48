"""The committed dashboards as tests see them: their panels, queries and variables, filled as Grafana would.

Grafana itself is not here; what it does to a query before Prometheus sees it is small, and is done below.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.foundation.settings import ROOT

FOLDER = ROOT / "grafana" / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
# What Grafana puts in for a dashboard of the last 30 minutes, and for the least rate interval of a data
# source that is scraped every 10 s.
BUILT_IN = {"__range": "30m", "__range_s": "1800", "__rate_interval": "40s", "__interval": "10s"}
_LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")


@dataclass(frozen=True, kw_only=True)
class Target:
    """One query of one panel.

    Attributes:
        where: dashboard, panel and letter, for messages.
        expr: with variables in it.
        instant: whether only the newest value is asked for.
    """

    where: str
    expr: str
    instant: bool


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable that asks Prometheus: the values of a label of the series that a selector finds."""

    name: str
    selector: str
    label: str
    current: str


def load(file: Path) -> dict[str, Any]:
    """Return a dashboard."""
    loaded: dict[str, Any] = json.loads(file.read_text())
    return loaded


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all panels but the titles of rows."""
    return [panel for panel in placed(dashboard) if panel["type"] != "row"]


def placed(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the titles of rows and all panels, those of collapsed rows included."""
    return [one for panel in dashboard["panels"] for one in (panel, *panel.get("panels", []))]


def targets(dashboard: Mapping[str, Any]) -> Iterator[Target]:
    """Yield the PromQL queries of the panels; tests/integration/test_grafana_links.py has the others."""
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            if target["datasource"]["type"] != "prometheus":
                continue
            yield Target(
                where=f"{dashboard['uid']}, {panel['title']}, {target['refId']}",
                expr=target["expr"],
                instant=bool(target.get("instant")),
            )


def variables(dashboard: Mapping[str, Any]) -> Iterator[Variable]:
    """Yield the variables that ask Prometheus, in the order in which they depend on each other."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        found = _LABEL_VALUES.fullmatch(variable["query"]["query"])
        assert found, f"{dashboard['uid']}, ${variable['name']}: not label_values(selector, label)"
        value = variable.get("current", {}).get("value") or ""
        [current] = value if isinstance(value, list) else [value]
        yield Variable(
            name=variable["name"],
            selector=found["selector"],
            label=found["label"],
            current=".*" if current == "$__all" else current,
        )


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a query with `$name` and `${name}` replaced; the longest name first, as in Grafana."""
    known = {**BUILT_IN, **values}
    names = "|".join(sorted(known, key=len, reverse=True))
    return re.sub(rf"\$(?:\{{({names})\}}|({names}))", lambda m: known[m[1] or m[2]], text)
