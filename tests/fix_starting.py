"""A native lab whose supervisord the test plays; PostgreSQL is real, the other components are web pages."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import cast
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from supervisor.states import ProcessStates

from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.seed import SeedReport
from lab.stack.components import COMPONENTS, SERVICES, Component
from lab.stack.native import alertmanager, starting
from lab.stack.native.supervision import SupervisedProcess, Supervisor
from lab.stack.up_options import UpOptions
from tests.fix_postgres import Database, free_port
from tests.fix_reporter import RecordedReporter
from workload.http_server import serve

SELECTED = ("risk", "proposals")
WANTED = ("postgres", *(n for n in SERVICES if n in SELECTED), "postgres_exporter", "prometheus",
          "datadog", "console")  # fmt: skip
KNOWN = UpOptions(services=("servicing",), load=7.0, prepared=True)


class Played:
    """A supervisord: the states of its processes, and the requests to it."""

    def __init__(self, **states: int) -> None:
        self.states: dict[str, int] = dict.fromkeys(COMPONENTS, ProcessStates.RUNNING) | states
        self.pids = dict.fromkeys(COMPONENTS, 100)
        self.started: list[str] = []
        self.stopped: list[tuple[str, ...]] = []
        self.variables: Mapping[str, str] = {}

    def processes(self) -> dict[str, SupervisedProcess]:
        return {
            name: SupervisedProcess(state=state, pid=self.pids[name])
            for name, state in self.states.items()
        }

    def start_component(self, name: str) -> None:
        self.started.append(name)
        self.states[name] = ProcessStates.RUNNING

    def start(self, components: Iterable[Component], variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.started += [f"supervisord of {len(list(components))}"]

    def stop_components(self, components: Sequence[Component]) -> None:
        self.stopped.append(tuple(component.name for component in components))


@dataclass
class Pages:
    """The components' pages; `loads` has each load that was set, by port's order."""

    port: int
    loads: list[float] = field(default_factory=list)
    refuses: float | None = None

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        status, body = "200 OK", b"# HELP\npg_up 1\n"
        if environ["PATH_INFO"] == "/healthz":
            body = json.dumps({"load": 1.5, "limited": bool(self.loads)}).encode()
        if environ["PATH_INFO"] == "/load":
            load = float(environ["wsgi.input"].read())
            self.loads.append(load)
            if load == self.refuses and len(self.loads) > 1:
                status = "503 Service Unavailable"
        start(status, [("Content-Length", str(len(body)))])
        return [body]


@pytest.fixture
def pages() -> Pages:
    pages = Pages(port=free_port())
    serve(pages, address="127.0.0.1", port=pages.port, setting="X")
    return pages


@pytest.fixture
def startable(
    database: Database, pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LabSettings:
    monkeypatch.setattr(alertmanager, "present", lambda: False)
    # The ports of missing components are free: the web server answers once they were started.
    monkeypatch.setattr(starting, "require_free", lambda *_: None)
    ports = {component.port: pages.port for component in COMPONENTS.values()}
    return database.settings.model_copy(
        update={
            **ports, "postgres_port": database.port, "lab_state_dir": tmp_path, "datadog_agent": "embedded",
            "startup_timeout_s": 30,
        }
    )  # fmt: skip


Begin = Callable[..., starting._Start]


@pytest.fixture
def begin(startable: LabSettings) -> Begin:
    """Begins an `up` with the selected services, and with the scale of the data in the database."""

    def one(played: Played, *, scale: str = "1", fails: bool = False) -> starting._Start:
        def seed(*_: object) -> SeedReport:
            if fails:
                raise LabError("the seed is refused")
            return SeedReport(
                scale=Decimal(scale), random_seed=1, loaded=False, rows=0, seconds=1.0
            )

        Paths.of(startable).logs.mkdir()
        return starting._Start(
            startable, UpOptions(services=SELECTED), cast("Supervisor", played), RecordedReporter(), seed,
            required=set(),
        )  # fmt: skip

    return one


def ends(start: starting._Start) -> list[str]:
    return [end.split()[0] for end in cast("RecordedReporter", start.reporter).ends]


def kept(settings: LabSettings) -> UpOptions | None:
    return UpOptions.read(Paths.of(settings).up_options)
