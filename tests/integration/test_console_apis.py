"""The console's APIs for programs: Jaeger's query API, and the drilldown API that the CLI uses."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from lab.drilldown import By, Drilldown, MalformedIdError, NotFoundError
from lab.drilldown.remote import ConsoleUnavailableError, RemoteDrilldown
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import moment
from lab.telemetry.store import Bounds, Record, Writer
from tests import evidence as of
from tests.evidence import START
from tests.fix_console import RunningConsole, start_console
from tests.fix_postgres import free_port
from tests.fix_store import HOUR_NS, Tally

TOKEN = "s3cret-token"
READER = {"Authorization": f"Bearer {TOKEN}"}


class KeyValue(msgspec.Struct):
    """As Grafana's client declares it (pkg/tsdb/jaeger/types); so do the others below."""

    key: str
    type: str
    value: str | float | bool


class Process(msgspec.Struct):
    serviceName: str  # noqa: N815 - the wire's name
    tags: list[KeyValue]


class Reference(msgspec.Struct):
    refType: str  # noqa: N815
    traceID: str  # noqa: N815
    spanID: str  # noqa: N815


class JaegerSpan(msgspec.Struct):
    traceID: str  # noqa: N815
    spanID: str  # noqa: N815
    processID: str  # noqa: N815
    operationName: str  # noqa: N815
    startTime: int  # noqa: N815
    duration: int
    references: list[Reference]
    tags: list[KeyValue]
    logs: list[object]
    flags: int
    warnings: list[str] | None


class JaegerTrace(msgspec.Struct):
    traceID: str  # noqa: N815
    processes: dict[str, Process]
    spans: list[JaegerSpan]
    warnings: list[str] | None


class Names(msgspec.Struct):
    data: list[str]
    total: int


class Traces(msgspec.Struct):
    data: list[JaegerTrace]


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console with a token, on a store that holds two traces."""
    state = tmp_path_factory.mktemp("console")
    slow, fast = of.statement(1, ms=390), of.statement(2, ms=5)
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(state / "store" / "store.sqlite", bounds, Tally()) as writer:
        records: list[Record] = [
            of.root(1), of.root(2, ms=20, error=True), slow, fast, of.known(), of.thresholds(),
            of.logged(slow, ms=380), of.plan(slow, ms=379), of.sample(slow, at_ns=slow.start_ns + 1),
        ]  # fmt: skip
        writer.commit(records, timeout_s=60)
    running = start_console(state, LAB_CONSOLE_TOKEN=TOKEN)
    try:
        yield running
    finally:
        running.stop()


def jaeger(console: RunningConsole, path: str, kind: type[Any], **asked: object) -> Any:
    query = f"?{urlencode(asked)}" if asked else ""
    answer = console.send("GET", f"/jaeger/api/{path}{query}", headers=READER)
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=kind)


def settings(console: RunningConsole) -> LabSettings:
    return LabSettings(
        _env_file=None,
        lab_state_dir=console.state, console_port=console.port, lab_console_token=TOKEN,
        postgres_port=free_port(), prometheus_port=free_port(),
    )  # fmt: skip


def test_grafana_finds_services_and_operations(console: RunningConsole) -> None:
    assert jaeger(console, "services", Names).data == ["credit-risk"]
    found = jaeger(console, "services/credit-risk/operations", Names)
    assert (found.data, found.total) == (["risk_distribution"], 1)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"service": "credit-risk"}, [2, 1]),
        ({"service": "credit-risk", "limit": 1}, [2]),
        ({"service": "credit-risk", "operation": "none"}, []),
        ({"service": "credit-risk", "minDuration": "100ms", "maxDuration": "1.5s"}, [1]),
        ({"service": "credit-risk", "maxDuration": "0.1s"}, [2]),
        ({"service": "credit-risk", "tags": '{"error":"true"}'}, [2]),
        ({"service": "credit-risk", "tags": '{"lab.statement":"risk_distribution"}'}, [2, 1]),
        ({"service": "credit-risk", "tags": '{"lab.statement":"another"}'}, []),
        ({"service": "credit-risk", "start": START // 1000, "end": START // 1000 + 1_500_000}, [1]),
    ],
)
def test_grafanas_search(
    console: RunningConsole, asked: dict[str, object], found: list[int]
) -> None:
    traces = jaeger(console, "traces", Traces, **asked).data
    assert [int(trace.traceID, 16) for trace in traces] == found


def test_a_trace_in_grafana_carries_what_the_drilldown_found_out(console: RunningConsole) -> None:
    """Spans with their parents and times in microseconds; the statement's with its queryid and plan."""
    # Jaeger's clients leave out leading zeros.
    [trace] = jaeger(console, "traces/1", Traces).data
    assert trace.traceID == of.trace_id(1)
    root, statement = trace.spans
    assert (root.operationName, root.references, root.duration) == (
        "risk_distribution",
        [],
        400_000,
    )
    assert statement.references[0].spanID == root.spanID
    assert statement.startTime - root.startTime == 1_000
    assert trace.processes[statement.processID].serviceName == "postgres"
    tags = {tag.key: tag.value for tag in statement.tags}
    assert tags["lab.queryid"] == str(of.QUERYID)
    assert (tags["lab.plan"], tags["lab.server_ms"]) == ("executed", 380)
    assert str(tags["lab.worst_node"]).startswith("Seq Scan on installments")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/jaeger/api/traces/ff", 404),
        ("/jaeger/api/traces/nothex", 422),
        ("/jaeger/api/traces?service=another", 400),
        ("/jaeger/api/traces?minDuration=soon", 400),
        ("/jaeger/api/traces?limit=many", 400),
        ("/jaeger/api/traces?tags=%7B", 400),
        ("/jaeger/api/dependencies?endTs=now", 400),
        ("/api/drilldown/queries?by=luck", 400),
        ("/api/drilldown/slowest-explained?since=yesterday", 400),
    ],
)
def test_a_mistake_is_answered_in_json(console: RunningConsole, path: str, status: int) -> None:
    answer = console.send("GET", path, headers=READER)
    assert (answer.status, bool(answer.json()["errors"])) == (status, True)


@pytest.mark.parametrize("path", ["/jaeger/api/services", "/api/drilldown/sessions"])
def test_requests_without_the_token_are_refused(console: RunningConsole, path: str) -> None:
    assert console.send("GET", path).status == 401
    wrong = {"Authorization": "Bearer guess"}
    assert console.send("GET", path, headers=wrong).status == 401


def test_without_a_token_only_this_machine_is_answered(tmp_path: Path) -> None:
    """A web site whose name was made to lead to 127.0.0.1 gets nothing."""
    console = start_console(tmp_path)
    try:
        strange = {"Host": f"elsewhere.example:{console.port}"}
        assert console.send("GET", "/jaeger/api/services", headers=strange).status == 421
        assert console.send("GET", "/jaeger/api/services").json()["data"] == []
    finally:
        console.stop()


def test_the_cli_gets_the_same_from_a_container_as_from_the_store(console: RunningConsole) -> None:
    """Each answer, sent as JSON and read again, equals the one that was made where the store is."""
    near, far = Drilldown.of(settings(console)), RemoteDrilldown.of(settings(console))
    traceparent = f"00-{of.trace_id(1)}-{of.span_id(2)}-01"
    assert far.report(of.trace_id(1)) == near.report(of.trace_id(1))
    assert far.report(traceparent) == near.report(traceparent)
    assert far.report_explained(moment(START)) == near.report_explained(moment(START))
    assert far.report_explained(moment(2 * START)) is None
    assert far.queries(By.ROWS) == near.queries(By.ROWS)
    away = far.sessions()
    assert "No PostgreSQL answers" in away.absent["sessions"]
    statement, known = far.query("risk_distribution"), near.query("risk_distribution")
    assert (statement.text, statement.queryids) == (known.text, known.queryids)
    assert "Prometheus does not answer" in statement.series.absent["prometheus"]


def test_both_desks_complain_alike(console: RunningConsole) -> None:
    near, far = Drilldown.of(settings(console)), RemoteDrilldown.of(settings(console))
    for asked, kind in (("zz", MalformedIdError), ("f" * 32, NotFoundError)):
        messages = []
        for drilldown in (near, far):
            with pytest.raises(kind) as reported:
                drilldown.report(asked)
            messages.append(str(reported.value))
        assert messages[0] == messages[1]
    with pytest.raises(LabError, match="did you mean credit-risk"):
        far.report("slowest", "rsik")
    with pytest.raises(NotFoundError, match="did you mean risk_distribution"):
        far.query("risk_distributoin")
    with pytest.raises(ConsoleUnavailableError, match="does not answer"):
        replace(far, port=free_port()).report("slowest")
