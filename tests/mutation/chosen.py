"""A pytest plugin: keeps the tests that are named in a file, in that order.

A list of thousands does not fit on a command line, and a name there with a bracket in it is not always found.
"""

import json
import os
from pathlib import Path

import pytest

# The file: a JSON list of node ids.
NAMES = "MUTATION_TESTS"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what is not named; pytest keeps the tests of one module's fixtures together by itself."""
    names = json.loads(Path(os.environ[NAMES]).read_text(encoding="utf-8"))
    order = {name: number for number, name in enumerate(names)}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in order])
    items[:] = sorted(
        (item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid]
    )
