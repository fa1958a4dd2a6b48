"""The sides of `compare` on real servers and a store: the window, the names, the sums."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.clients.database import Role, rows
from lab.compare.comparison import Comparison
from lab.compare.costs import costs
from lab.compare.intake import Datadog
from lab.compare.readings import Readings
from lab.compare.run import run
from lab.compare.side import PrometheusSide, TruthSide
from lab.compare.stages import Window
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT, LabSettings
from lab.telemetry.store import ActivityRound, Bounds, Reader, Record, Snapshot, Source, Writer
from tests import evidence
from tests.fix_postgres import Database, free_port
from tests.fix_prometheus import exporter_command, running_exporter, running_prometheus
from tests.fix_store import HOUR_NS, Tally
from tests.fix_workload import environment_of
from workload.statements import STATEMENTS

NS = 1_000_000_000
WINDOW_S = 60.0
WITHIN_S = 150.0


def keep(settings: LabSettings, *records: Record) -> None:
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(Paths.of(settings).store, bounds, Tally()) as writer:
        writer.commit(list(records), timeout_s=60)


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> LabSettings:
    """Of the test's database and a state directory with an empty store; no Prometheus answers."""
    ports = ("prometheus_port", "exporter_port", "proposals_port", "console_port")
    update = {"lab_state_dir": tmp_path, **{port: free_port() for port in ports}}
    settings = database.settings.model_copy(update=update)
    keep(settings)
    return settings


def last_minute() -> Window:
    now_ns = clock.now_ns()
    return Window(since_ns=now_ns - round(WINDOW_S * NS), now_ns=now_ns)


def test_datadogs_side_counts_the_window_and_the_applications_role(settings: LabSettings) -> None:
    """Deltas of before the window, of other roles, and of other statements are in no sum."""
    window = last_minute()
    now_ns = window.now_ns
    keep(
        settings,
        evidence.deltas(1, at_ns=now_ns - 5 * NS, calls=4, exec_time_ms=500.0),
        evidence.deltas(1, at_ns=now_ns - 15 * NS, calls=6, exec_time_ms=1500.0),
        evidence.deltas(1, at_ns=now_ns - 65 * NS, calls=100, exec_time_ms=1.0),
        evidence.deltas(1, at_ns=now_ns - 6 * NS, calls=50, exec_time_ms=1.0, role="datadog"),
        evidence.deltas(2, at_ns=now_ns - 7 * NS, calls=7, exec_time_ms=70.0),
    )
    side = Datadog(settings, window)
    calls, time = side.statement({1}, "calls"), side.statement({1}, "exec_time_ms")
    assert calls is not None
    assert time is not None
    assert (calls.value, calls.raw, time.value) == (10.0, 10.0, 2000.0)
    # Deltas cover the time since the round before, which was before the window.
    assert calls.first.early_ns < now_ns - 65 * NS <= calls.first.late_ns
    assert calls.newest_ns == now_ns - 5 * NS
    both = side.statement({1, 2}, "calls")
    assert both is not None
    assert both.value == 17.0
    assert side.statement({3}, "calls") is None
    observed = side.role("datadog", "calls")
    assert observed is not None
    assert observed.value == 50.0
    assert side.source == "the intake: embedded agent, not Datadog's"
    assert side.is_embedded


def test_an_agent_that_sent_anything_is_datadogs_own(settings: LabSettings) -> None:
    side = Datadog(settings, last_minute())
    assert (side.source, side.is_embedded) == ("the intake: no data", False)
    assert side.answer(1.0, resolution_s=1.0).age_s is None
    at_ns = clock.now_ns() - NS
    keep(
        settings,
        evidence.deltas(1, at_ns=at_ns),
        evidence.deltas(2, at_ns=at_ns, source=Source.AGENT),
    )
    side = Datadog(settings, last_minute())
    assert (side.source, side.is_embedded) == ("the intake: what the Datadog Agent sent", False)


def test_the_last_activity_sample_and_the_newest_snapshot(settings: LabSettings) -> None:
    """Of several samples only the newest is current; a plan of the log is not one of Datadog's."""
    now_ns = clock.now_ns()
    span = replace(evidence.root(1), start_ns=now_ns - 10 * NS)
    kinds = ("pg_settings", "pg_settings", "table public.a", "table public.b")
    keep(
        settings,
        *(
            evidence.sample(None, at_ns=now_ns - at * NS, pid=pid)
            for at, pid in ((9, 1), (4, 2), (4, 3), (70, 4))
        ),
        *(
            Snapshot(kind=kind, host=host, at_ns=now_ns - at * NS, payload="{}")
            for kind, host, at in zip(kinds, ("a", "b", "b", "b"), (30, 20, 10, 5), strict=True)
        ),
        # Of the agent that sent before a switch: its tables are not the newest sender's.
        Snapshot(kind="table public.a", host="a", at_ns=now_ns - 60 * NS, payload="{}"),
        # Dropped before the newest sender's last round.
        Snapshot(kind="table public.dropped", host="b", at_ns=now_ns - 605 * NS, payload="{}"),
        evidence.plan(span, executed=True, ms=1, at_ns=now_ns - NS),
        evidence.plan(span, executed=False, at_ns=now_ns - 2 * NS),
    )
    side = Datadog(settings, last_minute())
    assert sorted(sample.pid for sample in side.activity) == [1, 2, 3]
    assert sorted(sample.pid for sample in side.last_samples) == [2, 3]
    newest = side.snapshot("pg_settings")
    assert newest
    assert newest.at_ns == now_ns - 20 * NS
    assert side.snapshot("none") is None
    assert [table.kind for table in side.tables()] == ["table public.b", "table public.a"]
    assert [plan.executed for plan in side.plans] == [False]


def test_spans_are_of_the_window(settings: LabSettings) -> None:
    """Operations by service with their errors and durations; the slowest statement; the callers of one."""
    window = last_minute()
    now_ns = window.now_ns
    recent = replace(evidence.statement(1), start_ns=now_ns - 30 * NS, duration_ns=5_000)
    operation = replace(evidence.root(1), start_ns=now_ns - 30 * NS, duration_ns=10 * NS)
    keep(
        settings,
        recent,
        replace(recent, span_id=evidence.span_id(3), duration_ns=9_000),
        replace(recent, span_id=evidence.span_id(4), duration_ns=99_000, start_ns=now_ns - 61 * NS),
        operation,
        replace(operation, trace_id=evidence.trace_id(2), error=True, duration_ns=20 * NS),
        # It ended before the window began.
        replace(operation, trace_id=evidence.trace_id(3), start_ns=now_ns - 75 * NS),
        evidence.plan(recent, ms=1, at_ns=now_ns - 20 * NS),
        evidence.plan(recent, ms=1, at_ns=now_ns - 61 * NS, table="older"),
        evidence.plan(recent, executed=False, at_ns=now_ns - 20 * NS),
    )
    side = Datadog(settings, window)
    hits, errors = side.operations("credit-risk"), side.operations("credit-risk", errors=True)
    assert hits is not None
    assert errors is not None
    assert (hits.value, errors.value, hits.newest_ns) == (2.0, 1.0, now_ns - 10 * NS)
    assert side.operations("credit-proposals") is None
    assert side.mean_ms(["credit-risk"]) == 15_000.0
    assert side.slowest() == pytest.approx(0.009)
    assert side.callers("risk_distribution") == {"credit-risk"}
    assert side.statement_durations("risk_distribution") == [5_000, 9_000]
    assert side.executed_shapes("risk_distribution") == {"installments"}
    assert side.plan_shapes("other") == set()


def test_the_truth_knows_the_workloads_names_and_no_others(
    database: Database, settings: LabSettings
) -> None:
    """A statement with the workload's comment has its name; one without has none; it cannot write."""
    with database.connect(Role.APP) as connection:
        for _ in range(2):
            rows(connection, STATEMENTS["applicant"].sql, {"customer_id": 1})
        rows(connection, "SELECT 1 AS nameless")
    truth = TruthSide(settings)
    names = truth.names
    assert list(names.values()) == ["applicant"]
    assert all(isinstance(queryid, int) for queryid in names)
    assert truth.answer("SELECT 7").value == 7.0
    assert truth.answer("SELECT NULL::int").value == 0.0
    assert truth.trouble is None
    assert truth.ask("SELECT current_user") == [("pg_monitor",)]
    assert truth.ask("CREATE TABLE t (x int)") == []
    assert truth.trouble
    assert "read-only" in truth.trouble
    # A side with an error is not queried again, and has no answer.
    assert truth.ask("SELECT 1") == []
    assert (truth.answer("SELECT 7").value, truth.answer("SELECT 7").why_not) == (
        None,
        truth.trouble,
    )


def test_a_prometheus_that_does_not_answer_is_asked_once(settings: LabSettings) -> None:
    side = PrometheusSide(settings, last_minute())
    assert side.ask("pg_up").why_not == side.trouble
    assert side.trouble
    assert "Prometheus does not answer" in side.trouble
    assert side.by_label("pg_up", "job") == {}
    assert side.counter("c_total") is None
    assert side.gauge("c") is None
    assert side.retention_days() is None


class Counting(BaseHTTPRequestHandler):
    """Serves a counter by statement; its values are set by the test."""

    values: dict[str, float]

    def do_GET(self) -> None:
        lines = [f'calls_total{{statement="{name}"}} {v}' for name, v in self.values.items()]
        body = "\n".join(["# TYPE calls_total counter", *lines, ""]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def counted(settings: LabSettings) -> Iterator[dict[str, float]]:
    """The counter of an application where credit-proposals would be."""
    Counting.values = {}
    server = ThreadingHTTPServer(("127.0.0.1", settings.proposals_port), Counting)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Counting.values
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sees_all(settings: LabSettings) -> tuple[PrometheusSide, int]:
    """Return Prometheus' side and its end, when both targets' last scrapes succeeded."""
    found: list[tuple[PrometheusSide, int]] = []

    def absent() -> str | None:
        now_ns = clock.now_ns()
        side = PrometheusSide(settings, Window(since_ns=now_ns - 600 * NS, now_ns=now_ns))
        found.append((side, now_ns))
        missing = [name for name in ("calls_total", "pg_up") if side.gauge(name) is None]
        return f"no {' nor '.join(missing)}" if missing else None

    await_state("both were scraped", absent, within_s=WITHIN_S)
    return found[-1]


@pytest.mark.real_clock
def test_how_much_a_counter_has_grown_through_a_restart(
    settings: LabSettings, counted: dict[str, float]
) -> None:
    """What a process had counted before it was started again is in the sum, and what it counts since."""
    counted["a"] = 10.0
    with (
        running_exporter(settings, exporter_command(settings)),
        running_prometheus(settings, "proposals") as running,
    ):
        settings = settings.model_copy(update={"prometheus_port": running.port})

        def scraped(value: float) -> None:
            counted["a"] = value
            expression = 'calls_total{statement="a"}'
            await_state(
                f"Prometheus has scraped {value}",
                lambda: None if [v for _, v in running.query(expression)] == [value] else "not yet",
                within_s=WITHIN_S,
            )

        for value in (10.0, 17.0, 3.0, 8.0):
            scraped(value)
        await_state(
            "the exporter was scraped",
            lambda: None if running.query("pg_up") else "not yet",
            within_s=WITHIN_S,
        )
        side, now_ns = sees_all(settings)
        grown = side.counter("calls_total")
        assert grown is not None
        # 7 before the restart, 3 until the first scrape after it, 5 since.
        assert grown.raw == 15.0
        # increase() extrapolates: the window is longer than the time between the samples.
        assert grown.value > 15.0
        assert grown.first.early_ns < grown.last.early_ns <= grown.newest_ns < now_ns
        assert side.counter("none_total") is None
        newest = side.gauge("calls_total")
        assert newest is not None
        assert newest[0].value == 8.0
        assert newest[1].early_ns <= grown.newest_ns <= newest[1].late_ns
        answer = side.ask('2 * calls_total{statement="a"}')
        assert answer.value == 16.0
        assert answer.age_s is not None
        assert 0.0 <= answer.age_s < WITHIN_S
        assert "calls_total" in answer.where
        assert side.ask("no_such_series").why_not == "no such series"
        assert side.by_label("calls_total", "statement") == {"a": 8.0}
        assert side.retention_days() is not None
        assert side.exemplars("calls_total") is None
        assert side.trouble is None


def test_what_observing_costs_is_by_role(database: Database, settings: LabSettings) -> None:
    """Calls per second of each role since the reset, shares that add up to 100 %, and open sessions."""
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, "SELECT pg_stat_statements_reset()")
    with database.connect(Role.APP) as connection:
        for _ in range(25):
            rows(connection, "SELECT count(*) FROM customers")
        found, seconds = costs(TruthSide(settings))
    by_role = {cost.role: cost for cost in found}
    app = by_role["credit_app"]
    assert seconds >= 1.0
    assert app.calls_per_s * seconds >= 25
    assert app.sessions == 1
    assert sum(cost.share_percent for cost in found) == pytest.approx(100.0)
    assert [cost.ms_per_s for cost in found] == sorted((c.ms_per_s for c in found), reverse=True)
    assert {"datadog", "postgres_exporter", "lab"} <= by_role.keys()


def test_a_comparison_without_prometheus_has_the_reason_and_the_other_answers(
    settings: LabSettings,
) -> None:
    now_ns = clock.now_ns()
    held = json.dumps({"work_mem": "4096"})
    keep(
        settings,
        evidence.sample(None, at_ns=now_ns - NS, pid=5, blocking_pids=(6,), query_start_ns=now_ns - 3 * NS),
        ActivityRound(at_ns=now_ns - NS, source=Source.EMBEDDED, interval_s=10.0, sessions=1),
        Snapshot(kind="pg_settings", host="h", at_ns=now_ns - NS, payload=held),
    )  # fmt: skip
    found: Comparison = run(settings, since_s=WINDOW_S)
    by_question = {row.question: row for row in found.rows}
    assert "Prometheus does not answer" in found.absent[0]
    assert "no readings of ground truth" in found.absent[1]
    assert len(found.absent) == 2
    memory = by_question["work_mem"]
    assert (memory.datadog.value, memory.unit) == (4.0, "MiB")
    assert isinstance(memory.truth.value, float)
    assert memory.prometheus.why_not
    assert by_question["which session blocks which, now"].datadog.value == "5 by 6"
    assert by_question["columns of the tables"].prometheus.why_not == "the exporter has no schema"
    # Without readings there is no truth of counters; without a window all sides still have their reason.
    assert all(
        answer.value is not None or answer.why_not
        for row in found.rows
        for answer in (row.truth, row.prometheus, row.datadog)
    )


def test_readings_of_a_store_without_any(settings: LabSettings) -> None:
    reader = Reader(Paths.of(settings).store)
    assert Readings.since(reader, 0).begins == []


def test_the_command_writes_json_a_page_and_its_status(
    settings: LabSettings, tmp_path: Path
) -> None:
    """Exit status 2, unknown, as Prometheus did not answer; the window is the requested one."""
    command = [sys.executable, "-P", "-m", "lab", "compare"]
    options = ["--since", "2m", "--html", str(tmp_path / "page.html"), "--json"]
    options += ["--csv", str(tmp_path / "table.csv")]
    environment = environment_of(
        settings,
        LAB_STATE_DIR=str(settings.lab_state_dir),
        PROMETHEUS_PORT=str(settings.prometheus_port),
        LAB_DB_PASSWORD=settings.lab_db_password.get_secret_value(),
        DOCKER_HOST=f"unix://{tmp_path}/no-engine",
    )
    done = subprocess.run(
        [*command, *options], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    document = json.loads(done.stdout)
    assert document["asked_s"] == 120.0
    assert "Prometheus does not answer" in document["absent"][0]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "size of the database" in page
    assert "size of the database" in (tmp_path / "table.csv").read_text(encoding="utf-8")
