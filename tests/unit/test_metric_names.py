"""The list of metrics that the intake keeps is what questions, monitors and the dashboard use."""

import re

from lab.foundation.settings import ROOT
from lab.telemetry.intake.metric_names import KEPT_METRICS, KEPT_SERVICE_CHECKS, CheckType

NAME = re.compile(r"(?<![\w.-])(?:postgresql|credit)\.[a-z_]+(?:\.[a-z_]+)*")
# Datadog's backend makes it of dbmmetrics, and the check sends `query_metrics` for it.
DERIVED = "postgresql.queries."
NO_METRIC = {"postgresql.conf", "credit.operation"}


def used(*files: str) -> set[str]:
    """The names of metrics in the files of a pattern."""
    texts = (path.read_text(encoding="utf-8") for name in files for path in ROOT.glob(name))
    found = {match[0] for text in texts for match in NAME.finditer(text)}
    return {name for name in found if not f"{name}.".startswith(DERIVED)} - NO_METRIC


def test_every_name_that_is_used_is_kept_and_every_kept_name_is_used() -> None:
    monitors = used("datadog/monitors/*.json", "datadog/dashboards/*.json")
    questions = used("lab/compare/**/*.py", "lab/drills/**/*.py", "lab/judge/**/*.py")
    assert monitors
    assert questions
    assert monitors | questions == set(KEPT_METRICS)


def test_the_service_checks_are_those_of_the_monitors() -> None:
    texts = "".join(p.read_text(encoding="utf-8") for p in ROOT.glob("datadog/monitors/*.json"))
    assert set(re.findall(r"postgres\.[a-z_]+", texts)) == KEPT_SERVICE_CHECKS


def test_the_document_has_each_name_with_its_check_type() -> None:
    text = (ROOT / "docs" / "intake.md").read_text(encoding="utf-8")
    section = text.split("## The Agent's metrics")[1].split("\n## ")[0]
    documented: dict[str, CheckType] = {}
    for check_type in CheckType:
        [line] = [row for row in section.splitlines() if row.startswith(f"| {check_type} |")]
        names = re.findall(r"`([a-z_.]+)`", line)
        documented |= {
            name if name.startswith("credit.") else f"postgresql.{name}": check_type
            for name in names
        }
    assert documented == KEPT_METRICS
