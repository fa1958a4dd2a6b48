"""The MCP server's tools on a real store, by the SDK's client: answers, pages, limits, doors, errors."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError

from lab.exam.doors import Door
from lab.exam.place import Place, State
from lab.exam.place import Record as Exam
from lab.exam.requests import read as read_requests
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import moment
from lab.mcp import tool as tools
from lab.mcp.answer import MAX_BYTES
from lab.mcp.doors import Access, Needs
from lab.mcp.server import build
from lab.mcp.sources import Sources
from lab.stack.backend import Mode
from lab.telemetry.store import Bounds, Record, Snapshot, Writer
from tests import evidence as of
from tests.fix_postgres import free_port
from tests.fix_store import HOUR_NS, Tally
from tests.mcp_client import Caller, in_process

MANY = 120
HOSTILE = (
    "'; DROP TABLE spans; --", "a\x00b", "../../etc/passwd", "%s %(x)s {0}", "\N{RIGHT-TO-LEFT OVERRIDE}evil",
    "<img src=x>", "",     "-1", "9" * 20, "1 OR 1=1", "\N{SNOWMAN}" * 30, "{", "[1]", "null", "NaN",
)  # fmt: skip


def settings_in(state: Path) -> LabSettings:
    """Return the settings of a lab that does not run: nothing listens on its ports."""
    return LabSettings(
        _env_file=None,
        lab_state_dir=state,
        postgres_port=free_port(),
        prometheus_port=free_port(),
        console_port=free_port(),
    )


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    return settings_in(tmp_path / "state")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sources]:
    """A store with a slow trace that has a plan, a fast one without, a lock wait, and many samples."""
    slow, fast = of.statement(1, ms=390), of.statement(2, ms=2)
    blocker = of.sample(
        None, at_ns=of.START, pid=7, application="migration", state="idle in transaction"
    )
    records: list[Record] = [
        of.root(1), of.root(2, ms=3), slow, fast, of.known(), of.thresholds(),
        of.logged(slow, ms=380), of.plan(slow, ms=379), of.plan(fast, executed=False),
        of.lock_wait(slow, ms=300, blocked_by=7), of.deltas(of.QUERYID, calls=5), blocker,
        of.sample(slow, at_ns=of.START, blocking_pids=(7,), wait_event_type="Lock", wait_event="relation"),
        *(of.sample(None, at_ns=of.START + i * of.MS, pid=1_000 + i) for i in range(1, MANY)),
        Snapshot(
            kind="table creditdb.1", host="here", at_ns=of.START,
            payload=json.dumps({"name": "customers", "columns": [{"name": "cpf", "data_type": "text"}]}),
        ),
    ]  # fmt: skip
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    settings = settings_in(tmp_path_factory.mktemp("lab") / "state")
    with Writer(Paths.of(settings).store, bounds, Tally()) as writer:
        writer.commit(records, timeout_s=60)
        yield Sources(settings=settings, requested=Mode.NATIVE)


@pytest.fixture(scope="module")
def server(sources: Sources) -> MCPServer:
    """The server with all doors open."""
    return build(sources)


def exam(settings: LabSettings, *doors: Door, state: State = State.RUNNING) -> Place:
    """Write the public record of an exam."""
    place = Place(settings)
    place.write(
        Exam(
            exam="0123456789ab", state=state, doors=tuple(door.value for door in doors), minutes=15,
            commitment="0" * 64, pid=1, created=0.0, started_ns=clock.now_ns(),
        )
    )  # fmt: skip
    return place


def test_from_a_trace_to_its_executed_plan_and_its_blocker(server: MCPServer) -> None:
    """The slowest trace, its statement, all nodes of its own plan, the session that blocked it."""

    async def work(lab: Caller) -> None:
        found = (await lab.call("apm_search_traces", start="-1h")).json()
        slowest = found["rows"][0]
        assert (slowest["service"], slowest["duration_ms"]) == ("credit-risk", 400)
        trace = (await lab.call("lab_trace", trace_id=slowest["trace_id"])).json()
        [statement] = trace["statements"]
        assert "more" not in trace
        assert statement["queryid"] == str(of.QUERYID)
        assert statement["plan"]["source"] == "executed"
        assert statement["blocked_by"][0]["pid"] == 7
        ids = {"trace_id": slowest["trace_id"], "span_id": statement["span_id"]}
        execution = (await lab.call("lab_execution", **ids)).json()
        assert execution["plan"]["nodes"][0].startswith("Seq Scan on installments (self_ms=379")
        [logged] = (await lab.call("log_plans", start="-1h", **ids, include_plan=True)).json()[
            "rows"
        ]
        assert logged["plan"] == execution["plan"]["nodes"]
        [blocking] = (await lab.call("dbm_blocking", start="-1h")).json()["rows"]
        assert (blocking["pid"], blocking["root"]) == (7, True)
        assert blocking["blocker"]["application"] == "migration"

    in_process(server, work)


def test_a_missing_plan_has_its_true_reason(server: MCPServer) -> None:
    """Never another execution's plan as executed: the estimate is named, with the reason."""

    async def work(lab: Caller) -> None:
        ids = {"trace_id": of.trace_id(2), "span_id": of.span_id(2)}
        found = (await lab.call("lab_execution", **ids)).json()
        assert found["plan"]["source"] == "estimated"
        assert "below auto_explain.log_min_duration (200 ms)" in found["plan"]["note"]
        assert "below log_min_duration_statement" in found["absent"]["server_ms"]

    in_process(server, work)


def test_pages_have_every_row_once(server: MCPServer) -> None:
    """A cursor leads through the same time range; of another call it is refused."""

    async def work(lab: Caller) -> None:
        rows, cursor, ranges = [], None, set()
        while True:
            page = (
                await lab.call("dbm_activity_samples", start="-1h", limit=50, cursor=cursor)
            ).json()
            rows += page["rows"]
            ranges.add(json.dumps(page["time_range"]))
            cursor = page.get("next_cursor")
            if cursor is None:
                break
            other = await lab.call("dbm_activity_samples", start="-2h", cursor=cursor)
            assert other.failed
            assert "it is not of this call" in other.text
        assert len(rows) == len({(row["at"], row["pid"]) for row in rows}) == MANY + 1
        assert len(ranges) == 1

    in_process(server, work)


def test_an_answer_is_bounded_in_bytes(settings: LabSettings) -> None:
    """Rows that are too many for a model come in pages, whatever the limit is."""
    text = "SELECT " + ", ".join(f"column_{i}" for i in range(60))
    numbers = range(1, 400)
    records: list[Record] = [
        record
        for number in numbers
        for record in (of.known(number, name=f"query_{number}", text=text), of.deltas(number))
    ]
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(Paths.of(settings).store, bounds, Tally()) as writer:
        writer.commit(records, timeout_s=60)

    async def work(lab: Caller) -> None:
        answer = await lab.call("dbm_query_metrics", start="-1h", limit=500)
        assert len(answer.text.encode()) <= MAX_BYTES
        assert answer.json()["next_cursor"]

    in_process(build(Sources(settings=settings, requested=Mode.NATIVE)), work)


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("log_events", {"start": "yesterday"}, "start='yesterday' is not a time. Expected: RFC 3339"),
        ("log_events", {"start": "2026-01-31 09:30"}, "Expected: RFC 3339 with a time zone"),
        ("log_events", {"start": "-999999d"}, "start='-999999d' is out of range"),
        ("log_events", {"start": "-30h"}, "is 30.0 h long; at most 24.0 h are allowed"),
        ("log_events", {"start": "now", "end": "-2m"}, "is not before end"),
        ("log_events", {"end": "0001-01-01T00:00:00Z"}, "start='-1h' is out of range"),
        ("log_events", {"kinds": ["deadlok"]}, "input should be 'deadlock', 'lock_wait'"),
        ("log_events", {"limit": 100_000}, "limit='100000': input should be less than or equal to 500"),
        ("log_events", {"limits": 5}, 'There is no argument "limits"; did you mean limit?'),
        ("log_events", {"cursor": "WzIsMTc5NTg5MjU1NTEwMV0="}, "it is not of this call"),
        ("log_events", {"cursor": "é"}, "it is not of this call"),
        ("promql_range", {"query": "up", "start": "-7d", "step_s": 1}, "Use step_s=1010 or more"),
        ("promql_query", {}, "the argument query is missing"),
        ("promql_query", {"query": "x" * 5_000}, "should have at most 4000 characters"),
        ("apm_trace", {"trace_id": "zz"}, "'z' are not hexadecimal"),
        ("apm_trace", {"trace_id": "f" * 32}, "The store has no trace ffff"),
        ("lab_execution", {"trace_id": of.trace_id(1), "span_id": "f" * 16}, "has no span ffff"),
        ("apm_search_traces", {"service": "rsik"}, "did you mean credit-risk?"),
        ("dbm_plans", {"queryid": "12"}, "no statement with the queryid 12. dbm_query_metrics lists"),
        ("dbm_plans", {"queryid": "12a"}, "queryid='12a': string should match pattern"),
        ("dbm_plans", {"statement": "risk_distributoin"}, "did you mean risk_distribution?"),
        ("dbm_activity", {"group_by": "colour"}, "input should be 'wait_event', 'state'"),
        ("exam_answer", {"findings": [{"kind": "deadlok"}]}, "did you mean deadlocks?"),
        ("exam_answer", {"findings": [{"kind": "nothing", "culprti": "x"}]}, "findings.0.culprti"),
        ("exam_answer", {"findings": [{"kind": "nothing"}]}, "o exam is running"),
        ("exam_hint", {}, "No exam is running. A person starts one: ./creditlab exam start"),
        ("lab_statement", {"key": "nothing_such"}, 'There is no statement "nothing_such"'),
    ],
)  # fmt: skip
def test_a_mistake_gets_a_sentence(
    server: MCPServer, tool: str, arguments: dict[str, object], said: str
) -> None:
    """What failed, the value, what was expected; and which tool."""

    async def work(lab: Caller) -> None:
        answer = await lab.call(tool, **arguments)
        assert answer.failed
        assert answer.text.startswith(f"{tool}: ")
        assert said in answer.text
        assert len(answer.text) < 1_000

    in_process(server, work)


def test_hostile_texts_harm_no_tool(server: MCPServer) -> None:
    """As any text argument: an answer or a sentence, never a defect; the store stays as it was."""

    async def work(lab: Caller) -> None:
        for tool in await lab.tools():
            texts = [
                n for n, p in tool.input_schema["properties"].items() if p.get("type") == "string"
            ]
            for text in HOSTILE:
                answer = await lab.call(tool.name, **dict.fromkeys(texts, text))
                assert "defect" not in answer.text, (tool.name, text, answer.text)
        assert len((await lab.call("apm_search_traces", start="-1h")).json()["rows"]) == 2

    in_process(server, work)


def test_a_lab_that_is_down_is_named_by_each_tool(settings: LabSettings) -> None:
    """Without store, Prometheus and PostgreSQL: what does not answer, and the next step."""

    async def work(lab: Caller) -> None:
        status = (await lab.call("lab_status")).json()
        assert {one["state"] for one in status["components"]} == {"stopped"}
        found = await lab.every()
        for name in found.keys() - {"lab_status", "truth_drills", "exam_status"}:
            assert found[name].failed, name
            assert "./creditlab" in found[name].text, found[name]
        assert "Deadlock" in await lab.read("creditlab://runbooks")
        with pytest.raises(MCPError, match="There is no store"):
            await lab.read("creditlab://settings")

    in_process(build(Sources(settings=settings, requested=Mode.NATIVE)), work)


def test_a_store_in_a_container_is_explained(settings: LabSettings) -> None:
    """The tools that read its file name those that work."""
    sources = Sources(settings=settings, requested=Mode.DOCKER)
    with pytest.raises(LabError, match="Use promql_query"):
        sources.reader()


def test_with_one_door_only_its_tools_answer(sources: Sources) -> None:
    """The others are closed, also the truth and what joins observers; documents stay open."""

    async def work(lab: Caller) -> None:
        found = await lab.every()
        doors = {tool.name: (tool.meta or {})["doors"] for tool in await lab.tools()}
        closed = {name for name, answer in found.items() if "closed: " in answer.text}
        assert closed == {name for name, needed in doors.items() if set(needed) - {"log"}}
        assert (
            "needs apm and datadog and sql; this server was started with log"
            in found["lab_trace"].text
        )
        assert not found["log_events"].failed
        assert "CREATE TABLE" in await lab.read("creditlab://schema")
        with pytest.raises(MCPError, match="closed"):
            await lab.read("creditlab://settings")

    in_process(build(sources, [Door.LOG]), work)


def test_an_exam_closes_doors_and_records_requests(sources: Sources, server: MCPServer) -> None:
    """Of a running exam: the door's tools answer, with what they showed in its log; the truth is closed."""
    place = exam(sources.settings, Door.APM)

    async def work(lab: Caller) -> None:
        assert not (await lab.call("apm_search_traces", start="-1h")).failed
        for closed in ("dbm_activity", "log_events", "lab_trace", "truth_drills", "promql_query"):
            answer = await lab.call(closed, **({"query": "up"} if closed == "promql_query" else {}))
            assert answer.failed
            assert "losed" in answer.text, answer

    try:
        in_process(server, work)
    finally:
        exam(sources.settings, Door.APM, state=State.OVER)
    [request] = read_requests(place.files("0123456789ab").requests)
    assert (request.door, request.what) == ("apm", "apm_search_traces start=-1h")
    assert f"trace:{of.trace_id(1)}" in request.shown
    assert request.size > 100


def test_an_exam_records_data_and_no_echo(sources: Sources, server: MCPServer) -> None:
    """A time that the player has sent is not a log line that was shown; an error shows nothing."""
    place = exam(sources.settings, Door.LOG)
    requests = place.files("0123456789ab").requests
    before = len(read_requests(requests))

    async def work(lab: Caller) -> None:
        at = f"{moment(of.START - 3_600_000 * of.MS):%Y-%m-%dT%H:%M:%SZ}"
        later = f"{moment(of.START - 3_599_000 * of.MS):%Y-%m-%dT%H:%M:%SZ}"
        assert (await lab.call("log_events", start=at, end=later)).json()["rows"] == []
        assert (await lab.call("log_events", start=later, end=at)).failed
        assert (await lab.call("log_events", start="-1h")).json()["rows"]

    try:
        in_process(server, work)
    finally:
        exam(sources.settings, Door.LOG, state=State.OVER)
    empty, failed, full = read_requests(requests)[before:]
    assert (empty.shown, failed.shown, failed.size) == ((), (), 0)
    assert [shown for shown in full.shown if shown.startswith("log:")]


def test_no_secret_is_in_any_answer(sources: Sources, server: MCPServer) -> None:
    """Passwords of the lab and the token, in answers, errors and resources."""
    settings = sources.settings
    secrets = [
        value.get_secret_value()
        for _, value in settings
        if hasattr(value, "get_secret_value") and value.get_secret_value()
    ]
    assert len(secrets) >= 6
    said: list[str] = []

    async def work(lab: Caller) -> None:
        said.extend(answer.text for answer in (await lab.every(start="-1h")).values())
        for resource in (await lab.client.list_resources()).resources:
            said.append(await lab.read(resource.uri))  # noqa: PERF401 - reads one after the other

    in_process(server, work)
    assert [secret for secret in secrets if any(secret in text for text in said)] == []


def test_too_many_calls_are_refused(settings: LabSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond those that run and wait, at once, with what to do."""
    monkeypatch.setattr(tools, "THREADS", 1)
    monkeypatch.setattr(tools, "MAX_WAITING", 1)
    release = threading.Event()

    async def main() -> list[object]:
        calls = tools.Calls(Access(opened=tuple(Door), settings=settings))

        def wait() -> str:
            release.wait(60)
            return "done"

        running = [asyncio.create_task(calls.run(wait)) for _ in range(2)]
        while calls.waiting < 1:  # noqa: ASYNC110 - a state of the limiter, which has no event
            await asyncio.sleep(0)
        refused = await asyncio.gather(calls.run(wait), return_exceptions=True)
        release.set()
        return [*refused, *await asyncio.gather(*running)]

    refused, *done = asyncio.run(main())
    assert isinstance(refused, LabError)
    assert "Call again later" in str(refused)
    assert done == ["done", "done"]


def test_needs_are_labelled() -> None:
    assert Needs(truth=True).labels == ("truth",)
    assert Needs(doors=(Door.LOG,)).labels == ("log",)
