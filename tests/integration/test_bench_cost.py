"""`bench cost` reads a lab: processor time by the kernel, counts from each component's page and PostgreSQL.

The components are processes that sleep, their pages are texts in their formats; PostgreSQL is real, and the
acceptance test runs the command against a real lab.
"""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from lab.bench.cost import command
from lab.bench.cost.reading import bytes_of_spans, read
from lab.bench.large_store import fill
from lab.clients.database import Role
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.native.records import Record
from lab.telemetry.store import Bounds, Reader, Writer
from tests.fix_postgres import Database
from tests.fix_store import Tally
from workload.services import SERVICES

SERVICE = """# TYPE credit_operations_total counter
credit_operations_total{{outcome="ok"}} {operations}
credit_operations_total{{outcome="error"}} 2
# TYPE credit_statement_duration_seconds histogram
credit_statement_duration_seconds_bucket{{le="+Inf"}} 999
credit_statement_duration_seconds_count{{statement="a"}} {operations}
credit_statement_duration_seconds_count{{statement="b"}} 1
"""
CONSOLE = """# TYPE lab_store_records_total counter
lab_store_records_total{{table="spans"}} {operations}
lab_store_records_total{{table="plans"}} 99
# TYPE lab_log_lines_total counter
lab_log_lines_total 17
"""
PROMETHEUS = """# TYPE prometheus_tsdb_head_samples_appended_total counter
prometheus_tsdb_head_samples_appended_total{{type="float"}} {operations}
prometheus_tsdb_head_samples_appended_total{{type="histogram"}} 1
# TYPE prometheus_tsdb_head_series gauge
prometheus_tsdb_head_series 250
"""
PAGES = {"console": CONSOLE, "prometheus": PROMETHEUS}
RECORDED = ("console", "prometheus", "customers", "proposals", "supervisor")
BUSY = "import sys\nfor _ in range(2_000_000): pass\nprint(flush=True)\nsys.stdin.read()"
# Its processor time is its child's.
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])"


class Pages:
    """HTTP servers that answer GET /metrics; a page counts up with each request by a hundred."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.asked: Counter[str] = Counter()
        self.ports = {
            name: self._serve(name, PAGES.get(name, SERVICE)) for name in (*SERVICES, *PAGES)
        }

    def _serve(self, name: str, page: str) -> int:
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked[name] += 100
                body = page.format(operations=asked[name]).encode()
                self.send_response(200 if self.path == "/metrics" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        for end in (server.server_close, thread.join, server.shutdown):
            self._stack.callback(end)
        return server.server_port


@dataclass(frozen=True, kw_only=True)
class Components:
    """What runs of a lab, in this state directory: two services and the rest, and the supervisor."""

    state: Path
    pages: Pages


@pytest.fixture(scope="module")
def components(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Components]:
    state = tmp_path_factory.mktemp("cost")
    with ExitStack() as stack:
        pages = Pages(stack)
        record({"postgres": PARENT, **dict.fromkeys(RECORDED, BUSY)}, state / "run", stack)
        yield Components(state=state, pages=pages)


@pytest.fixture
def lab(database: Database, components: Components) -> LabSettings:
    """A lab of which two services run; its counts begin at nothing."""
    components.pages.asked.clear()
    ports = {f"{name}_port": port for name, port in components.pages.ports.items()}
    return database.settings.model_copy(update={**ports, "lab_state_dir": components.state})


def record(programs: Mapping[str, str], run: Path, stack: ExitStack) -> None:
    """Start programs and record them; return when each has printed a line."""
    run.mkdir(parents=True)
    started = {
        name: stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-S", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        )
        for name, program in programs.items()
    }
    for name, process in started.items():
        assert process.stdout
        process.stdout.readline()
        created = psutil.Process(process.pid).create_time()
        of = Record(component=name, pid=process.pid, created=created, version="1", address="none")
        of.write(run)


def test_everything_that_is_counted_is_read_once(lab: LabSettings, database: Database) -> None:
    """Processor time of a component is that of all its processes; what does not run has no operations."""
    with database.connect(Role.APP) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.2)")
    reading = read(lab)
    assert set(reading.processes) == {"postgres", "console", "prometheus", "proposals", "customers"}
    for name, process in reading.processes.items():
        assert 0.01 < process.cpu_s < 60, name
        assert 1e6 < process.resident < 1e9, name
    assert reading.processes["postgres"].resident > 1.5 * reading.processes["console"].resident
    assert reading.operations == {"proposals": 102.0, "customers": 102.0}
    assert reading.statements == 2 * 101
    assert (reading.spans, reading.log_lines) == (100.0, 17.0)
    assert (reading.samples, reading.series) == (101.0, 250.0)
    assert 0.2 <= reading.execution_s["credit_app"] < 60
    assert all(not isinstance(spent, str) for spent in reading.execution_s.values())


def test_the_command_divides_what_was_done_between_two_readings(
    lab: LabSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hundred operations of each service in a twentieth of a second; as JSON and as tables."""
    monkeypatch.setattr(command, "measured_lab", lambda _: nullcontext(lab))
    fill(Paths.of(lab).store, 1_000)
    command.cost(seconds=0.05, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert 0.05 <= found["seconds"] < 60
    assert found["operations_per_s"] == pytest.approx(200 / found["seconds"])
    assert (found["statements_per_operation"], found["spans_per_operation"]) == (1.0, 0.5)
    # Not every SQLite counts the pages of a table.
    assert found["span_bytes"] is None or 100 < found["span_bytes"] < 3_000
    assert found["machine"]["processors"] <= (os.cpu_count() or 1)
    command.cost(seconds=0.05, as_json=False)
    printed = " ".join(capsys.readouterr().out.split())
    assert "customers" in printed
    assert "a span in the store" in printed


def test_a_store_without_spans_has_no_size_of_one(tmp_path: Path) -> None:
    settings = LabSettings(_env_file=None, lab_state_dir=tmp_path)
    path = Paths.of(settings).store
    path.parent.mkdir()
    with Writer(path, Bounds.of(settings), Tally()):
        pass
    assert bytes_of_spans(Reader(path)) is None


def test_a_lab_without_load_is_refused(lab: LabSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing done is no division by nothing, and a restart in between no negative time."""
    reading = read(lab)
    monkeypatch.setattr(command, "bytes_of_spans", lambda _: None)
    monkeypatch.setattr(command, "read", lambda _: reading)
    with pytest.raises(LabError, match="no operation, no span or no sample"):
        command.measure(lab, 0.0)
    readings = [reading, replace(reading, processes={"postgres": reading.processes["postgres"]})]
    monkeypatch.setattr(command, "read", lambda _: readings.pop())
    with pytest.raises(LabError, match="started or ended during"):
        command.measure(lab, 0.0)


def test_a_component_without_its_page_is_named(lab: LabSettings) -> None:
    without = lab.model_copy(update={"console_port": 9})
    with pytest.raises(LabError, match="console does not serve /metrics at port 9"):
        read(without)


def test_a_lab_that_does_not_run_natively_is_refused(lab: LabSettings, tmp_path: Path) -> None:
    elsewhere = lab.model_copy(update={"lab_state_dir": tmp_path / "other"})
    with pytest.raises(LabError, match="up --native"):
        read(elsewhere)
