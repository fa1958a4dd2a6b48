"""Loads one fixture file per concern: every tests/fix_*.py; and makes every caller's machine look alike."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from lab.drills.tracing import DESTINATIONS
from lab.foundation.settings import LabSettings
from tests.sharing import SHARING

NICER = 10
# Each of these workers has labs, one at a time; files are handed out in the order of their names.
OBSERVED_LABS, CONTAINERS, CHANGED_LABS = "gw0", "gw1", "gw2"
# Native labs that are stopped, broken and made again, beside those that are asked how soon something is seen.
CHANGING = ("test_interrupted_start.py", "test_lifecycle.py", "test_recovery.py")
# What a file names when it meets the clock: records and their retention, or the day of the database; and
# the contracts of it: the clock itself, links to a time, the runbooks. Other contracts compare files.
CLOCK = {
    "integration": re.compile(
        r"\blab\.(telemetry\.store|bench\.intake)\b|\bfix_(store|console)\b|\bcurrent_date\b|\bmeets_clock\b"
    ),
    "contract": re.compile(r"\blab\.(foundation\.clock|drilldown|drills)\b"),
}
# What a drill sets in its own process's environment.
TRACER = (*DESTINATIONS, "DD_SERVICE")

pytest_plugins = [f"tests.{file.stem}" for file in sorted(Path(__file__).parent.glob("fix_*.py"))]
# `safe_load` with libyaml, where PyYAML has it: the same documents in a tenth of the time.
setattr(yaml, "SafeLoader", getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: B010 - a name of the module
# All at once: one fixture file may import another before pytest comes to it.
pytest.register_assert_rewrite(*pytest_plugins)
# A run in the background is started with SIGINT ignored, and tests of Ctrl-C are about a terminal's.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Tests are about the defaults and about what they set themselves, not about the caller's lab.
for name in LabSettings.model_fields:
    os.environ.pop(name.upper(), None)


@pytest.fixture(autouse=True)
def _keep_the_destination_of_spans() -> Iterator[None]:
    """A drill configures the tracer in its process's environment; the next test finds it as it was."""
    kept = {name: value for name in TRACER if (value := os.environ.get(name))}
    yield
    for name in TRACER:
        os.environ.pop(name, None)
    os.environ.update(kept)


def pytest_configure(config: pytest.Config) -> None:
    """Let labs that are observed come before the rest: only they are asked how soon something happens."""
    if getattr(config, "workerinput", {}).get("workerid", OBSERVED_LABS) != OBSERVED_LABS:
        os.nice(NICER)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Hand tests out by file, and native labs to two workers: each has one of them at a time."""
    return _FewLabs(config, log)


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


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import, under a shifted clock, the files of tests that meet none."""
    shifted = config.getoption("shifted_clock")
    skipped = shifted and collection_path.is_file() and not _meets_the_clock(collection_path)
    return True if skipped else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put files that share a lab together; under a shifted clock leave out what compares it with Go's."""
    items.sort(key=_place)
    if not config.getoption("shifted_clock"):
        return
    real = {item for item in items if item.get_closest_marker("real_clock")}
    config.hook.pytest_deselected(items=list(real))
    items[:] = [item for item in items if item not in real]


def _place(item: pytest.Item) -> int:
    name = item.path.name
    return SHARING.index(name) if name in SHARING else len(SHARING)


def _meets_the_clock(path: Path) -> bool:
    folder = path.relative_to(Path(__file__).parent).parts[0]
    if names := CLOCK.get(folder):
        return names.search(path.read_text(encoding="utf-8")) is not None
    return folder == "unit"


class _FewLabs(LoadScopeScheduling):  # type: ignore[misc]
    @property
    def nodes(self) -> list[WorkerController]:
        """The workers by name, so that each gets the labs that it is named for."""
        return sorted(self.assigned_work, key=lambda node: node.gateway.id)

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid.partition("::")[0])


def scope_of(file: str) -> str:
    """Return the name of what a file's tests share a worker with."""
    name = file.rpartition("/")[2]
    if "/acceptance/" not in file or name == "test_compose.py":
        return file
    return CHANGED_LABS if name in CHANGING else OBSERVED_LABS
