"""Loads one fixture file per concern: every tests/fix_*.py; and makes every caller's machine look alike."""

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from lab.foundation.settings import LabSettings

NICER = 10
# The worker that has them; the first file of all is the lab in containers, which takes as long.
NATIVE_LABS = "gw1"
# What a file names when it meets the clock: records and their retention, or the day of the database; and
# the contracts of it: the clock itself, links to a time, the runbooks. Other contracts compare files.
CLOCK = {
    "integration": re.compile(
        r"\blab\.(telemetry\.store|bench\.intake)\b|\bfix_(store|console)\b|\bcurrent_date\b|\bmeets_clock\b"
    ),
    "contract": re.compile(r"\blab\.(foundation\.clock|drilldown|drills)\b"),
}

pytest_plugins = [f"tests.{file.stem}" for file in sorted(Path(__file__).parent.glob("fix_*.py"))]
# All at once: one fixture file may import another before pytest comes to it.
pytest.register_assert_rewrite(*pytest_plugins)
# A run in the background is started with SIGINT ignored, and tests of Ctrl-C are about a terminal's.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Tests are about the defaults and about what they set themselves, not about the caller's lab.
for name in LabSettings.model_fields:
    os.environ.pop(name.upper(), None)


def pytest_configure(config: pytest.Config) -> None:
    """Let the native labs come before the rest: only they are asked how soon something happens."""
    if getattr(config, "workerinput", {}).get("workerid", NATIVE_LABS) != NATIVE_LABS:
        os.nice(NICER)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Hand tests out by file, and all native labs to one worker: there is one of them at a time."""
    return _OneLab(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options: the pass whose clock is shifted (see lab/cli/test.py), and longer attacks."""
    parser.addoption(
        "--shifted-clock",
        action="store_true",
        help="tests that meet the clock: all of unit, contract and integration by what they name",
    )
    parser.addoption(
        "--kills", type=int, default=5, help="how often PostgreSQL is killed under load (5)"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, under a shifted clock, what meets no clock, and what compares one with a program of Go's."""
    if not config.getoption("shifted_clock"):
        return
    meets = {path: _meets_the_clock(path) for path in {item.path for item in items}}
    kept = [
        item for item in items if meets[item.path] and not item.get_closest_marker("real_clock")
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _meets_the_clock(path: Path) -> bool:
    folder = path.relative_to(Path(__file__).parent).parts[0]
    if names := CLOCK.get(folder):
        return names.search(path.read_text(encoding="utf-8")) is not None
    return folder == "unit"


class _OneLab(LoadScopeScheduling):  # type: ignore[misc]
    @property
    def nodes(self) -> list[WorkerController]:
        """The workers by name: the first one gets the lab in containers, the second one the native labs."""
        return sorted(self.assigned_work, key=lambda node: node.gateway.id)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        is_native_lab = "/acceptance/" in file and not file.endswith("/test_compose.py")
        return "native labs" if is_native_lab else file
