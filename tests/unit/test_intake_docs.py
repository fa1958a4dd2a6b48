"""docs/intake.md says what the code does."""

import pytest

from lab.console.metrics import COUNTERS, GAUGES
from lab.foundation.settings import ROOT
from lab.telemetry.intake import STREAMS
from lab.telemetry.store.tables import TABLES

DOCUMENT = (ROOT / "docs" / "intake.md").read_text(encoding="utf-8")
METRICS = [*(f"{name}_total" for name in COUNTERS), *GAUGES]


@pytest.mark.parametrize("name", [*STREAMS, *METRICS, *(table.name for table in TABLES.values())])
def test_everything_is_documented(name: str) -> None:
    """Every path, metric and table is in the document."""
    assert f"{name}`" in DOCUMENT


def test_the_metrics_are_the_consoles() -> None:
    """No metric of the document is one that the console does not have."""
    named = {
        word
        for word in DOCUMENT.replace("`", " ").split()
        if word.startswith(("lab_intake_", "lab_log_", "lab_dbm_", "lab_store_"))
    }
    assert named <= set(METRICS)
