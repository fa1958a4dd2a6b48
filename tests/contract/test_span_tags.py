"""The tags that the workload sets are those that the intake stores."""

import re
from pathlib import Path

from lab.foundation.settings import ROOT
from lab.telemetry.redact.tags import TAGS

# A key of a mapping, or the first argument of set_tag.
TAG = re.compile(r'(?:set_tag\()?"(credit\.[a-z_]+)"(?=\s*:|, outcome)')


def test_tags_of_the_workload_are_stored() -> None:
    """Every credit.* tag of an operation is on the list, and the list has no other."""
    sources = (path.read_text(encoding="utf-8") for path in Path(ROOT, "workload").rglob("*.py"))
    set_by_workload = {tag for source in sources for tag in TAG.findall(source)}
    assert set_by_workload == {tag for tag in TAGS if tag.startswith("credit.")}
