"""`trace`, `queries`, `query` and `sessions` of a lab in containers: the console answers them, by HTTP.

The console is a real one; only `docker`, which says where it is published and with which token, is played.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from lab.drilldown import By, Drilldown
from lab.foundation.settings import LabSettings
from lab.mcp.server import build
from lab.mcp.sources import Sources
from lab.telemetry.store import Bounds, Record, Writer
from tests import evidence as of
from tests.fix_console import RunningConsole, start_console
from tests.fix_machine import Machine
from tests.fix_postgres import free_port
from tests.fix_store import HOUR_NS, Tally
from tests.mcp_client import Caller, in_process

TOKEN = "s3cret-token"
GRAFANA = 3001
TRACE = of.trace_id(1)
TRACEPARENT = f"00-{TRACE}-{of.span_id(2)}-01"
Call = Callable[..., int]


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console with a token, on a store that holds a trace of some minutes ago."""
    state = tmp_path_factory.mktemp("console")
    begun = time.time_ns() - 10 * 60 * 10**9
    slow = of.statement(1, start_ns=begun + of.MS)
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(state / "store" / "store.sqlite", bounds, Tally()) as writer:
        records: list[Record] = [
            of.root(1, start_ns=begun), slow, of.known(), of.logged(slow, ms=380), of.plan(slow, ms=379),
            of.deltas(of.QUERYID, at_ns=begun, calls=3, exec_time_ms=600.0),
        ]  # fmt: skip
        writer.commit(records, timeout_s=60)
    nobody = {"POSTGRES_PORT": str(free_port()), "PROMETHEUS_PORT": str(free_port())}
    running = start_console(state, LAB_CONSOLE_TOKEN=TOKEN, **nobody)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def drilldown(console: RunningConsole) -> Drilldown:
    """What the answers are, where the store is."""
    return Drilldown.of(
        LabSettings(
            _env_file=None, lab_state_dir=console.state, console_port=console.port,
            postgres_port=free_port(), prometheus_port=free_port(),
            grafana_url=f"http://127.0.0.1:{GRAFANA}",
        )
    )  # fmt: skip


def as_json(answer: object) -> Any:
    return json.loads(json.dumps(msgspec.to_builtins(answer)))


@pytest.fixture
def containers(machine: Machine, console: RunningConsole, call: Call) -> Call:
    """The command line beside containers, of the console and of Grafana among them."""
    machine.has_console(console.port, TOKEN, grafana=GRAFANA)
    return call


@pytest.fixture
def reported(containers: Call, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """What a command prints with --json."""

    def printed(*arguments: str, status: int = 0) -> Any:
        assert containers(*arguments, "--json") == status
        return json.loads(capsys.readouterr().out)

    return printed


@pytest.mark.parametrize(
    "asked", [["slowest"], ["slowest", "--service", "risk"], [TRACE], [TRACEPARENT]]
)
def test_a_trace_is_that_of_the_container(
    reported: Callable[..., Any], drilldown: Drilldown, asked: list[str]
) -> None:
    """Plan and all, with links to the ports that the containers are published at."""
    report = reported("trace", *asked)
    assert report == as_json(drilldown.report(TRACEPARENT if asked == [TRACEPARENT] else TRACE))
    assert report["statements"][0]["plan"]["source"] == "executed"
    assert report["links"].keys() == {"console", "grafana"}
    assert report["links"]["grafana"].startswith(f"http://127.0.0.1:{GRAFANA}/explore?")


def test_statements_are_those_of_the_container(
    reported: Callable[..., Any], drilldown: Drilldown
) -> None:
    listed = reported("queries", "--by", "calls")
    assert listed == as_json(drilldown.queries(By.CALLS))
    assert [each["calls"] for each in listed] == [3]


@pytest.mark.parametrize("key", ["risk_distribution", str(of.QUERYID)])
def test_a_statement_is_that_of_the_container(
    reported: Callable[..., Any], drilldown: Drilldown, key: str
) -> None:
    """All but what depends on the second in which it is asked."""
    found, expected = reported("query", key), as_json(drilldown.query(key))
    now = {"since", "until", "series", "absent", "advice"}
    assert {k: v for k, v in found.items() if k not in now} == {
        k: v for k, v in expected.items() if k not in now
    }
    assert (found["queryids"], found["slowest"][0]["server_ms"]) == ([str(of.QUERYID)], 380)
    assert found["series"]["dbm_source"] == "embedded"
    assert "No PostgreSQL answers" in found["advice"]["reason"]


def test_sessions_are_asked_for_where_the_console_is(reported: Callable[..., Any]) -> None:
    """This console reaches no PostgreSQL, and its word for that comes through."""
    assert "No PostgreSQL answers" in reported("sessions", status=1)["absent"]["sessions"]


@pytest.mark.parametrize(
    "arguments", [("trace", TRACE), ("queries",), ("query", "risk_distribution")]
)
def test_the_screen_shows_it_as_natively(
    containers: Call, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert containers(*arguments, "--docker") == 0
    assert "risk_distribution" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("trace", "zz"), "is not a trace id"),
        (("trace", "f" * 32), "has no trace"),
        (("trace", "slowest", "--service", "rsik"), "did you mean credit-risk?"),
        (("query", "risk_distributoin"), "did you mean risk_distribution?"),
        (("queries", "--by", "tiem"), "did you mean time?"),
    ],
)
def test_a_mistake_gets_the_same_sentence(
    containers: Call, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert containers(*arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("trace",), ("queries",), ("query", "x"), ("sessions",)])
def test_a_console_that_is_not_there_is_named(
    machine: Machine, call: Call, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    port = free_port()
    machine.has_console(port, TOKEN)
    assert call(*arguments) == 2
    complaint = capsys.readouterr().err
    assert f"The console does not answer at 127.0.0.1:{port}" in complaint
    assert "./creditlab logs console" in complaint


@pytest.mark.usefixtures("containers")
def test_mcp_tools_answer_from_the_container(machine: Machine) -> None:
    """Those that the console can answer; the others name these."""

    async def work(mcp: Caller) -> None:
        trace = (await mcp.call("lab_trace", trace_id="slowest")).json()
        assert trace["trace_id"] == TRACE
        ids = {"trace_id": TRACE, "span_id": of.span_id(2)}
        execution = (await mcp.call("lab_execution", **ids)).json()
        assert execution["statements"][0]["plan"]["nodes"][0].startswith("Seq Scan on installments")
        statement = (await mcp.call("lab_statement", key="risk_distribution")).json()
        assert statement["slowest"][0]["server_ms"] == 380
        [listed] = (await mcp.call("dbm_query_metrics")).json()["rows"]
        assert listed["queryid"] == str(of.QUERYID)
        assert "No PostgreSQL answers" in (await mcp.call("lab_sessions")).text
        assert "Prometheus does not answer" in (await mcp.call("promql_query", query="up")).text
        for name in ("log_events", "dbm_activity", "apm_search_traces", "truth_compare"):
            assert "Use promql_query" in (await mcp.call(name)).text

    # Not that of a lab that runs on this machine.
    nobody = machine.settings.model_copy(update={"prometheus_port": free_port()})
    in_process(build(Sources(settings=nobody)), work)


def test_the_containers_own_token_is_used(
    machine: Machine, console: RunningConsole, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another one is refused, so it is the container's environment that lets the command in."""
    machine.has_console(console.port, "another")
    assert call("queries") == 2
    assert "Traceback" not in (complaint := capsys.readouterr().err)
    assert "token" in complaint.lower()
