"""A real postgres_exporter on a test's own database, and a real Prometheus to scrape it.

Both are started exactly as native mode starts them. Only the test's copy of prometheus.yml is changed: it
scrapes every second, so that a test waits for seconds where the lab waits for a scrape of 10 s.
"""

import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.stack.native import binaries
from lab.stack.native.commands import COMMANDS, Command, Launch
from tests.fix_postgres import Database, free_port

START_SECONDS = 120
STOP_SECONDS = 150
SCRAPE_SECONDS = 60

# prometheus_client's parser renames counters that lack `_total`; Prometheus takes names as they come.
_SAMPLE = re.compile(r"^(?P<name>[\w:]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(?P<name>\w+)="(?P<value>(?:[^"\\]|\\.)*)"')


Prepare = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One line of a scrape."""

    name: str
    labels: Mapping[str, str]
    value: float


class ScrapeError(AssertionError):
    """The exporter answered a scrape with an error status; the message is its body."""


@dataclass(frozen=True, kw_only=True)
class Exporter:
    """A running postgres_exporter."""

    port: int

    def scrape(self) -> list[Sample]:
        """Return every sample of one scrape."""
        try:
            text = _get(f"http://127.0.0.1:{self.port}/metrics")
        except urllib.error.HTTPError as error:
            raise ScrapeError(error.read().decode()) from None
        return [
            Sample(
                name=line["name"],
                labels={
                    found["name"]: found["value"] for found in _LABEL.finditer(line["labels"] or "")
                },
                value=float(line["value"]),
            )
            for line in _SAMPLE.finditer(text)
        ]


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    """A running Prometheus server, asked through its HTTP API."""

    port: int

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each sample of an instant query."""
        data = self.api("query", query=expression)
        return [(sample["metric"], float(sample["value"][1])) for sample in data["result"]]

    def api(self, path: str, **parameters: str) -> Any:
        """Return the `data` of an answer."""
        query = urllib.parse.urlencode(parameters)
        answer = json.loads(_get(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}"))
        return answer["data"]


def exporter_settings(database: Database, state: Path) -> LabSettings:
    """Return the database's settings with a port for the exporter, and a state directory."""
    return database.settings.model_copy(
        update={"exporter_port": free_port(), "lab_state_dir": state}
    )


def exporter_command(settings: LabSettings) -> Command:
    """Return how native mode starts the exporter."""
    return COMMANDS["postgres_exporter"](Launch(settings=settings, services=()))


def promtool() -> binaries.Program:
    """Return promtool, which checks configuration and rules.

    Raises:
        LabError: when it is neither installed nor can be fetched.
    """
    return binaries._go_program(
        names=("promtool",),
        package="promtool",
        at_least=binaries.PROMETHEUS_AT_LEAST,
        say=lambda _: None,
    )


@contextmanager
def running_exporter(settings: LabSettings, command: Command) -> Iterator[Exporter]:
    """Run the exporter."""
    with running(command, f"http://127.0.0.1:{settings.exporter_port}/"):
        yield Exporter(port=settings.exporter_port)


@contextmanager
def running_prometheus(
    settings: LabSettings,
    *services: str,
    interval_s: int = 1,
    prepare: Prepare = lambda _: None,
) -> Iterator[Prometheus]:
    """Run Prometheus with the targets of native mode: the exporter, itself and these services.

    A scrape may take as long as the interval: a busy machine and a large scrape want more than a second.
    `prepare` gets the directory of the configuration before the start.
    """
    # Never the default ports of a lab that runs: it would be scraped, and notified of the test's alerts.
    others = ("alertmanager_port", "console_port", "embedded_agent_port")
    defaults = {name: LabSettings.model_fields[name].default for name in others}
    given = {name for name in others if getattr(settings, name) != defaults[name]}
    ports = {name: free_port() for name in {"prometheus_port", *others} - given}
    settings = settings.model_copy(update=ports)
    command = COMMANDS["prometheus"](Launch(settings=settings, services=services))
    configuration = command.directory / "etc" / "prometheus.yml"
    often = re.sub(r"(_interval|_timeout): \d+s", rf"\1: {interval_s}s", configuration.read_text())
    configuration.write_text(often)
    prepare(configuration.parent)
    with running(command, f"http://127.0.0.1:{settings.prometheus_port}/-/ready"):
        yield Prometheus(port=settings.prometheus_port)


def backfill(settings: LabSettings, lines: Iterable[str]) -> Prepare:
    """Return what writes samples, in the text format with times, before Prometheus starts."""
    data = Paths.of(settings).prometheus / "data"

    def write(configuration: Path) -> None:
        file = configuration / "samples.txt"
        file.write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")
        program = binaries.prometheus().beside("promtool")
        command: list[str | Path] = [program, "tsdb", "create-blocks-from", "openmetrics"]
        subprocess.run([*command, file, data], check=True, capture_output=True)

    return write


@pytest.fixture(scope="module", params=binaries.MONITORING_RELEASES)
def monitoring(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Run the test once with the monitoring programs of each Debian release; the directory of these."""
    directory = binaries.fetch_monitoring(request.param) / "usr" / "bin"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(directory), prepend=os.pathsep)
        yield directory


@pytest.fixture
def exporter(database: Database, tmp_path: Path) -> Iterator[Exporter]:
    """postgres_exporter on the test's database, as native mode runs it."""
    settings = exporter_settings(database, tmp_path)
    with running_exporter(settings, exporter_command(settings)) as exporter:
        yield exporter


@contextmanager
def running(command: Command, ready: str) -> Iterator[None]:
    log = command.directory / "log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command.argv,
            env=command.environment,
            cwd=command.directory,
            stdout=output,
            stderr=output,
        )

    def silent() -> str | None:
        assert process.poll() is None, f"{command.argv[0]} ended:\n{log.read_text()}"
        try:
            _get(ready)
        except (urllib.error.URLError, ConnectionError) as error:
            return str(error)
        return None

    try:
        await_state(f"{ready} answers", silent, within_s=START_SECONDS)
        yield
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=SCRAPE_SECONDS) as answer:  # noqa: S310 - loopback
        text: str = answer.read().decode()
        return text
