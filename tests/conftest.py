"""Loads one fixture file per concern: every tests/fix_*.py; and makes every caller's machine look alike."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from lab.settings import LabSettings

NICER = 10

pytest_plugins = [f"tests.{file.stem}" for file in sorted(Path(__file__).parent.glob("fix_*.py"))]
# All at once: one fixture file may import another before pytest comes to it.
pytest.register_assert_rewrite(*pytest_plugins)
# A run in the background is started with SIGINT ignored, and tests of Ctrl-C are about a terminal's.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Tests are about the defaults and about what they set themselves, not about the caller's lab.
for name in LabSettings.model_fields:
    os.environ.pop(name.upper(), None)


def pytest_configure(config: pytest.Config) -> None:
    """Let the whole labs, which the first of two workers has, come before the rest."""
    if getattr(config, "workerinput", {}).get("workerid") == "gw1":
        os.nice(NICER)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Hand tests out by file, and all whole labs to one worker: there is one of them at a time."""
    return _OneLab(config, log)


class _OneLab(LoadScopeScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "acceptance" if "/acceptance/" in file else file
