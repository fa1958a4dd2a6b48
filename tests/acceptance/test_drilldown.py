"""From a trace to its query to its plan, on the whole lab under load, compared with PostgreSQL's own log.

The log is read here once more, by nothing of the lab's: what the drilldown says of an execution must be what
PostgreSQL wrote about that very one.
"""

import html
import http.client
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from lab.clients.database import Role, connect, dsn, rows
from lab.drilldown import By, Drilldown
from lab.drilldown.execution import PlanSource, StatementExecution
from lab.drilldown.links import query_path
from lab.drilldown.plans.tree import Node
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.timestamps import NS_PER_S
from tests.fix_lab import Lab
from tests.mcp_client import Caller, over_stdio

# The first test brings the lab up, too.
pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

EXECUTIONS = 1_000
LOAD = "3"
WITHIN_S = 150
THRESHOLDS = ("log_min_duration_statement", "auto_explain.log_min_duration")
T = TypeVar("T")
SHOWN = re.compile(r"Prometheus (.+?), DBM (.+?): difference <b>(.+?)</b>")
MS = {"s": 1000.0, "ms": 1.0, "µs": 0.001, "ns": 0.000_001}
# A line of the log has its time in milliseconds.
TICK = timedelta(milliseconds=1)
RELOADED = "SELECT 1 FROM events WHERE at_ns > ? AND message LIKE 'received SIGHUP%'"
COMMENT = re.compile(
    r"traceparent='00-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-01'.*statement='(?P<name>\w+)'",
    re.DOTALL,
)
DURATION = re.compile(r"duration: (?P<ms>[0-9.]+) ms  (?P<what>statement|plan):\s*")


@dataclass(kw_only=True)
class Logged:
    """What PostgreSQL wrote about one execution."""

    queryid: str
    statement: str
    ms: float | None = None
    plan: dict[str, Any] | None = None


def in_the_log(lab: Lab) -> dict[tuple[str, str], Logged]:
    """Read every execution out of the server's own files."""
    found: dict[tuple[str, str], Logged] = {}
    for file in (Paths(state=lab.state).postgres / "data" / "log").glob("*.json"):
        for text in file.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            message = line.get("message", "")
            duration = DURATION.match(message)
            if not duration:
                continue
            body = message[duration.end() :]
            plan = json.loads(body) if duration["what"] == "plan" else None
            comment = COMMENT.search(plan["Query Text"] if plan else body)
            if not comment:
                continue
            key = (comment["trace"], comment["span"])
            known = found.setdefault(
                key, Logged(queryid=str(line["query_id"]), statement=comment["name"])
            )
            assert known.queryid == str(line["query_id"])
            if plan:
                assert known.plan is None, "one execution has one plan"
                known.plan = plan["Plan"]
            else:
                assert known.ms is None, "one span is one execution"
                known.ms = float(duration["ms"])
    return found


def nodes_of(raw: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """What is compared of each node of a plan, as PostgreSQL wrote it."""
    loops = raw["Actual Loops"]
    total_ms = round(raw["Actual Total Time"] * loops, 3)
    rows_ = raw["Actual Rows"] if loops else None
    yield raw["Node Type"], raw.get("Relation Name"), raw["Plan Rows"], rows_, loops, total_ms
    for child in raw.get("Plans", ()):
        yield from nodes_of(child)


def node(each: Node) -> tuple[object, ...]:
    return each.type, each.relation, each.estimated_rows, each.rows, each.loops, each.total_ms


def mismatches(found: StatementExecution, logged: Logged) -> dict[str, tuple[object, object]]:
    """Return the differences between the drilldown's data of an execution and PostgreSQL's log."""
    tree = found.plan.tree
    shown = [node(each) for each in tree.root.walk()] if tree else []
    said: dict[str, tuple[object, object]] = {
        "queryid": (found.queryid, logged.queryid),
        "statement": (found.statement, logged.statement),
        "server_ms": (found.server_ms, logged.ms),
        "source": (found.plan.source, PlanSource.EXECUTED),
        "plan": (shown, list(nodes_of(logged.plan)) if logged.plan else []),
    }
    wrong = {what: pair for what, pair in said.items() if pair[0] != pair[1]}
    if logged.ms is None or found.client_ms < logged.ms:
        wrong["client_ms"] = (found.client_ms, logged.ms)
    return wrong


@contextmanager
def everything_logged(lab: Lab) -> Iterator[None]:
    """Let PostgreSQL log every statement with its plan, at once and in every session."""

    def reload(*changes: str) -> None:
        with connect(dsn(lab.settings, Role.SUPERUSER)) as connection:
            for change in (*changes, "SELECT pg_reload_conf()"):
                rows(connection, change)

    reload(*(f"ALTER SYSTEM SET {name} = 0" for name in THRESHOLDS))
    try:
        yield
    finally:
        reload(*(f"ALTER SYSTEM RESET {name}" for name in THRESHOLDS))


def let_pass(seconds: float) -> None:
    """Let the load continue for some seconds."""
    begun = time.monotonic()
    await_state(
        "the load ran",
        lambda: None if time.monotonic() - begun > seconds else "it runs",
        within_s=seconds + 5,
    )


@pytest.fixture(scope="module")
def drilldown(lab: Lab) -> Drilldown:
    return Drilldown.of(lab.settings)


@pytest.fixture(scope="module")
def chosen(lab: Lab, drilldown: Drilldown) -> list[StatementExecution]:
    """A thousand executions, drawn from the spans of some seconds in which PostgreSQL logged all."""
    assert lab.run("up", "--load", LOAD).returncode == 0

    def spans(since: int, until: int) -> list[tuple[str, str]]:
        sql = (
            "SELECT s.trace_id, s.span_id FROM spans s WHERE s.kind = 'sql' AND s.start_ns BETWEEN ? AND ?"
            " AND EXISTS (SELECT 1 FROM spans r WHERE r.trace_id = s.trace_id AND r.parent_id IS NULL)"
        )
        return [(trace, span) for trace, span in drilldown.reader.rows(sql, [since, until])]

    with everything_logged(lab):
        let_pass(2)
        since = time.time_ns()
        await_state(
            f"{EXECUTIONS} statements",
            lambda: (
                None
                if (seen := len(spans(since, time.time_ns() - 2 * NS_PER_S))) >= EXECUTIONS
                else f"{seen} so far"
            ),
            within_s=WITHIN_S,
        )
        # Only what began two seconds ago: its trace is complete, and was sent.
        until = time.time_ns() - 2 * NS_PER_S
        let_pass(2)
        marker = time.time_ns()
    await_state(
        "the log is read as far as to the end of it",
        lambda: None if drilldown.reader.rows(RELOADED, [marker]) else "not yet",
        within_s=WITHIN_S,
    )
    assert lab.run("up", "--load", "1").returncode == 0
    drawn = random.Random(15).sample(spans(since, until), EXECUTIONS)

    @cache
    def of_trace(trace_id: str) -> dict[str, StatementExecution]:
        return {each.span_id: each for each in drilldown.executions(trace_id)}

    return [of_trace(trace_id)[span_id] for trace_id, span_id in drawn]


def test_a_thousand_executions_are_as_in_postgresqls_log(
    lab: Lab, chosen: list[StatementExecution]
) -> None:
    """Statement, queryid, duration and plan of each, drawn from the trace side: no mismatch."""
    assert len(chosen) == EXECUTIONS
    log = in_the_log(lab)
    absent = [each for each in chosen if (each.trace_id, each.span_id) not in log]
    assert absent == []
    wrong = [
        (each.statement, difference)
        for each in chosen
        if (difference := mismatches(each, log[each.trace_id, each.span_id]))
    ]
    assert wrong == []
    assert len({each.statement for each in chosen}) > 15


def test_executions_of_one_queryid_have_each_its_own_plan(chosen: list[StatementExecution]) -> None:
    """Of each queryid that was drawn often, the plans have times of their own."""
    counts = Counter(each.queryid for each in chosen)
    often = [queryid for queryid, count in counts.items() if count >= 10]
    assert often
    for queryid in often:
        own = [e for e in chosen if e.queryid == queryid]
        times = {(e.plan.tree.total_ms, e.plan.tree.root.self_ms) for e in own if e.plan.tree}
        assert len(times) > 1


@pytest.mark.usefixtures("chosen")
def test_below_the_thresholds_the_reason_is_shown(drilldown: Drilldown) -> None:
    """With the lab's own thresholds again, a fast execution has no server time, and no plan as executed."""
    since = time.time_ns()
    fast = "kind = 'sql' AND start_ns > ? AND duration_ns < ?"
    sql = f"SELECT trace_id, span_id FROM spans WHERE {fast} LIMIT 1"
    await_state(
        "a fast statement",
        lambda: None if drilldown.reader.rows(sql, [since, 20_000_000]) else "none",
        within_s=WITHIN_S,
    )
    [(trace_id, span_id)] = drilldown.reader.rows(sql, [since, 20_000_000])
    await_state(
        "its trace is whole",
        lambda: (
            None if any(not s.parent_id for s in drilldown.trace(trace_id).spans) else "no root"
        ),
        within_s=WITHIN_S,
    )
    found = drilldown.execution(trace_id, span_id)
    assert found.server_ms is None
    assert found.absent["server_ms"].startswith("below log_min_duration_statement")
    assert found.plan.source is not PlanSource.EXECUTED
    assert found.plan.note


def test_who_blocked_an_execution_is_known_live_and_afterwards(
    lab: Lab, drilldown: Drilldown
) -> None:
    """A session holds customers: `sessions` shows the queue behind it, and a trace names who blocked it."""
    with connect(dsn(lab.settings, Role.SUPERUSER), application_name="somebody") as holder:
        pid = rows(holder, "SELECT pg_backend_pid()")[0][0]
        rows(holder, "BEGIN")
        rows(holder, "LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        await_state(
            "somebody waits for it",
            lambda: (
                None
                if any(tree["pid"] == pid for tree in lab.json("sessions")["blocking"])
                else "nobody"
            ),
            within_s=WITHIN_S,
            every_s=1.0,
        )
        let_pass(2.5)
        rows(holder, "ROLLBACK")
    sql = (
        "SELECT trace_id, span_id FROM activity WHERE blocking_pids LIKE ? AND trace_id IS NOT NULL"
    )

    def traced() -> list[tuple[Any, ...]]:
        """A service that gave up sends its span with the operation's, which may be tried for long."""
        return [
            found
            for found in drilldown.reader.rows(sql, [f"[{pid}%"])
            if drilldown.reader.trace(found[0])
        ]

    await_state("its trace is here", lambda: None if traced() else "not yet", within_s=WITHIN_S)
    trace_id, span_id = traced()[0]
    found = drilldown.execution(trace_id, span_id)
    blocker = next(each for each in found.blocked_by if each.pid == pid)
    assert (blocker.application, blocker.state) == ("somebody", "idle in transaction")
    assert any(wait.type == "Lock" for wait in found.waits)


def test_the_command_line_prints_a_trace_in_the_documented_shape(lab: Lab) -> None:
    """`trace slowest --json` has what programs are promised, and a traceparent leads to one statement."""
    report = lab.json("trace", "slowest")
    assert {
        "trace_id",
        "service",
        "operation",
        "duration_ms",
        "statements",
        "links",
    } <= report.keys()
    [first, *_] = report["statements"]
    promised = {
        "span_id", "queryid", "statement", "client_ms", "server_ms", "plan", "waits", "blocked_by",
    }  # fmt: skip
    assert promised <= first.keys()
    assert {"source", "worst_node", "tree"} <= first["plan"].keys()
    assert report["links"]["console"].endswith(f"/traces/{report['trace_id']}")
    traceparent = f"00-{report['trace_id']}-{first['span_id']}-01"
    assert lab.json("trace", traceparent)["statements"] == [first]
    reported = lab.run("trace", report["trace_id"])
    assert reported.returncode == 0
    assert first["statement"] in reported.stdout


def below_zero(queryid: str | None) -> bool:
    return queryid is not None and queryid.startswith("-")


def test_the_command_line_lists_and_shows_queries(lab: Lab, drilldown: Drilldown) -> None:
    """`queries` come in the requested order; `query` takes a queryid, also below 0, or a name."""
    await_state(
        "DBM received a queryid below 0",
        lambda: (
            None if any(below_zero(each.queryid) for each in drilldown.queries()) else "none yet"
        ),
        within_s=WITHIN_S,
    )
    listed: Any = lab.json("queries", "--by", "mean")
    means = [each["mean_ms"] for each in listed]
    assert means == sorted(means, reverse=True)
    negative = next(each for each in listed if below_zero(each["queryid"]))
    by_id, by_name = (
        lab.json("query", negative["queryid"]),
        lab.json("query", negative["statement"]),
    )
    assert by_id["queryids"] == [negative["queryid"]]
    assert set(by_id["queryids"]) <= set(by_name["queryids"])
    assert {"prometheus", "dbm", "calls_difference"} <= by_id["series"].keys()
    reported = lab.run("query", negative["queryid"])
    assert reported.returncode == 0
    assert "embedded agent, not Datadog's" in reported.stdout


def test_the_difference_that_is_shown_is_that_of_the_two_beside_it(
    lab: Lab, drilldown: Drilldown
) -> None:
    """On the page and by `query --json`: Prometheus' figure less DBM's, of calls and of the mean."""
    name = drilldown.queries(By.CALLS)[0].statement or ""
    reported = answered(
        lambda: lab.json("query", name)["series"],
        lambda series: series["mean_difference_ms"] is not None,
    )
    ours, theirs = reported["prometheus"], reported["dbm"]
    assert reported["calls_difference"] == ours["calls"] - theirs["calls"]
    assert reported["calls_difference_share"] == round(
        reported["calls_difference"] / ours["calls"], 4
    )
    assert reported["mean_difference_ms"] == round(ours["mean_ms"] - theirs["mean_ms"], 3)
    calls, means = answered(lambda: shown(lab.settings.console_port, query_path(name)), bool)
    one, other, difference = (int(figure.replace(",", "")) for figure in calls)
    assert difference == one - other
    mean, another, apart = (in_ms(figure) for figure in means)
    # Each figure is rounded to three digits.
    assert abs(apart - (mean - another)) <= 0.005 * (mean + another + abs(apart))


def answered(look: Callable[[], T], is_whole: Callable[[T], object]) -> T:
    """Look again while the lab is too young to be compared, or Prometheus too busy to answer in time."""
    seen: list[T] = []

    def again() -> str | None:
        seen.append(look())
        return None if is_whole(seen[-1]) else "Prometheus' figures are missing"

    await_state("both observers' figures are shown", again, within_s=WITHIN_S, every_s=1.0)
    return seen[-1]


def shown(port: int, path: str) -> list[tuple[str, ...]]:
    """Return the figures that a statement's page shows beside each other: of calls, then of the mean."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN_S)
    connection.request("GET", path)
    page = html.unescape(connection.getresponse().read().decode())
    connection.close()
    return [found.groups() for found in SHOWN.finditer(page)]


def in_ms(figure: str) -> float:
    number, unit = figure.split()
    return float(number) * MS[unit]


@pytest.mark.usefixtures("chosen")  # its plans show which tables a statement accesses
def test_the_expressions_that_links_lead_to_have_an_answer(drilldown: Drilldown) -> None:
    """Of statements, tables, services and sessions: this Prometheus returns a series for each."""
    statements = drilldown.queries(By.CALLS)[:5]
    touched = [table for each in statements for table in drilldown.query(each.queryid or "").tables]
    assert touched
    links = [
        *(drilldown.links.query(each.queryid, each.statement) for each in statements),
        *(drilldown.links.table(table.name) for table in touched),
        *(drilldown.links.service(name) for name in drilldown.services()),
        drilldown.links.sessions(),
    ]
    for link in links:
        address = urlsplit(link["prometheus"])
        # Debian's package has no pages of its own: the console draws the expression.
        assert address.netloc == f"127.0.0.1:{drilldown.settings.console_port}"
        assert address.path == "/prometheus"
        [expression] = parse_qs(address.query)["expr"]
        assert drilldown.prometheus.now(expression), expression


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("trace", "00-abc"), "is not a trace id"),
        (("trace", "slowest", "--service", "rsik"), "did you mean credit-risk?"),
        (("query", "-1"), "has no queryid -1"),
        (("queries", "--by", "tiem"), "did you mean time?"),
    ],
)
def test_a_mistake_gets_a_sentence(lab: Lab, arguments: tuple[str, ...], said: str) -> None:
    """Exit status 2, what is wrong, and no traceback."""
    done = lab.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_mcp_tools_answer_from_this_lab(lab: Lab, chosen: list[StatementExecution]) -> None:
    """Every tool over stdio; an execution is that of the log; no customer and no password is in an answer."""
    log = in_the_log(lab)
    execution = next(each for each in chosen if each.plan.tree and each.plan.tree.nodes > 1)
    ids = {"trace_id": execution.trace_id, "span_id": execution.span_id}
    said: list[str] = []

    async def work(mcp: Caller) -> None:
        statement = execution.statement or ""
        found = await mcp.every(**ids, start="-1h", statement=statement, include_plan=True)
        failed = {name: answer.text for name, answer in found.items() if answer.failed}
        assert failed.keys() == {"exam_answer", "exam_hint"}, failed
        said.extend(answer.text for answer in found.values())
        one = found["lab_execution"].json()
        assert (one["queryid"], one["server_ms"]) == (
            execution.queryid,
            log[execution.trace_id, execution.span_id].ms,
        )
        tree = execution.plan.tree
        assert tree
        lines = [line for line in one["plan"]["nodes"] if "(self_ms=" in line or "(never" in line]
        assert [line.split(" (")[0].strip().split(": ")[-1] for line in lines] == [
            each.label for each in tree.root.walk()
        ]
        [logged] = found["log_plans"].json()["rows"]
        assert logged["plan"] == one["plan"]["nodes"]
        assert found["promql_query"].json()["series_found"] > 5
        assert "parse error" in (await mcp.call("promql_query", query="rate(")).text
        assert found["truth_invariants"].json()["result"] == "ok"
        for resource in (await mcp.client.list_resources()).resources:
            said.append(await mcp.read(resource.uri))  # noqa: PERF401 - one after the other

    over_stdio(lab.environment, work)
    with connect(dsn(lab.settings, Role.LAB)) as connection:
        people = rows(connection, "SELECT cpf, email, phone, full_name FROM customers")
    secret = [value.get_secret_value() for _, value in lab.settings if isinstance(value, SecretStr)]
    text = "\n".join(said)
    assert [value for value in (*secret, *sum(people, ())) if value and value in text] == []


def test_up_ends_with_a_slow_trace(lab: Lab) -> None:
    """The last lines, folded where they are long: a trace, its time, its statement, and an address."""
    lines = [line.strip() for line in lab.run("up").stdout.splitlines() if line.strip()]
    [begin] = [number for number, line in enumerate(lines) if line.startswith("A slow trace")]
    address = re.escape(f"http://127.0.0.1:{lab.settings.console_port}/traces/")
    shown = rf"A slow trace .* time .*\d m?s.*\. statement .* see +{address}\w+"
    assert re.fullmatch(shown, " ".join(lines[begin:])), lines[begin:]
