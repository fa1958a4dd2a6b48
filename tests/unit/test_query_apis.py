"""The console's Loki and Jaeger APIs over a store with known records: bounds, order, filters, documents."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lab.console import jaeger, logql, loki
from lab.console.access import Access
from lab.console.logql import Filter
from lab.console.logql_pattern import LogQLError
from lab.drilldown import Drilldown, server_log
from lab.drilldown.server_log import LogLine, LogWindow
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.telemetry.intake import Gate
from lab.telemetry.store import Bounds, Record, Writer
from tests import evidence
from tests.evidence import MS, REPORT, START
from tests.fix_store import HOUR_NS, Tally

S = 1_000_000_000
# Of traces 1 to 3: a statement of 390 ms each, 1 ms after the begin of its operation, one second apart.
STATEMENTS = [
    evidence.statement(
        number, error=number == 2, service="postgres" if number == 2 else "credit-risk"
    )
    for number in (1, 2, 3)
]
ENDS = [START + number * S + 390 * MS for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """Three traces, each with an execution in the log; of the second a plan and a failure, too."""
    directory = tmp_path_factory.mktemp("apis")
    settings = LabSettings(_env_file=None, lab_state_dir=directory)
    with Writer(
        Paths.of(settings).store, Bounds(age_ns=HOUR_NS, size_bytes=10**9), Tally()
    ) as writer:
        records: list[Record] = [
            evidence.root(1, ms=400),
            evidence.root(2, ms=700, error=True, tags={"region": "south"}),
            evidence.root(3, ms=500, service="credit-customers", resource="lookup"),
            *STATEMENTS,
            *(evidence.logged(one, ms=300 + n) for n, one in enumerate(STATEMENTS)),
            evidence.plan(STATEMENTS[1], ms=301),
            evidence.plan(STATEMENTS[1], executed=False),
            evidence.failed(STATEMENTS[1], "deadlock detected", "40P01"),
            evidence.known(),
            evidence.sample(
                STATEMENTS[0], at_ns=ENDS[0] - 100 * MS, blocking_pids=(7,), wait_event_type="Lock",
                wait_event="tuple",
            ),
        ]  # fmt: skip
        writer.commit(records, timeout_s=60)
    drilldown, access = Drilldown.of(settings), Access(Gate(None), None)
    return TestClient(
        Starlette(routes=[*jaeger.routes(drilldown, access), *loki.routes(drilldown, access)])
    )


def data(client: TestClient, path: str, **parameters: object) -> Any:
    answer = client.get(path, params=parameters)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def streams(client: TestClient, query: str, **parameters: object) -> list[dict[str, Any]]:
    window = {"start": START, "end": START + 10 * S}
    found = data(client, "/loki/api/v1/query_range", query=query, **{**window, **parameters})
    assert found["resultType"] == "streams"
    return list(found["result"])


def times(found: list[dict[str, Any]]) -> list[int]:
    return [int(one["values"][0][0]) for one in found]


def test_lines_of_the_log_newest_first(client: TestClient) -> None:
    found = streams(client, '{job="postgres"}')
    assert [one["stream"]["kind"] for one in found] == [
        "statement", "plan", "error", "statement", "statement",
    ]  # fmt: skip
    assert times(found) == sorted(times(found), reverse=True)
    newest = found[0]
    assert newest["stream"] == {
        "job": "postgres", "kind": "statement", "level": "info", "service": "credit-risk",
        "statement": "risk_distribution", "role": "credit_app", "database": "creditdb",
        "trace_id": STATEMENTS[2].trace_id, "span_id": STATEMENTS[2].span_id,
        "queryid": str(evidence.QUERYID), "pid": "42",
    }  # fmt: skip
    assert newest["values"] == [[str(ENDS[2]), f"duration: 302.000 ms  statement: {REPORT}"]]
    assert found[1]["values"][0][1].startswith(
        'duration: 301.000 ms  plan: {"Plan": {"Node Type": "Seq Scan"'
    )
    assert found[2]["values"][0][1] == "ERROR:  deadlock detected"
    assert found[2]["stream"]["level"] == "error"


def test_a_direction_a_limit_and_the_bounds_of_a_window(client: TestClient) -> None:
    """The begin is in it, the end is not."""
    query = '{kind="statement"}'
    assert times(streams(client, query, direction="forward")) == ENDS
    assert times(streams(client, query, limit=1)) == [ENDS[2]]
    assert times(streams(client, query, limit=1, direction="forward")) == [ENDS[0]]
    assert times(streams(client, query, start=ENDS[0], end=ENDS[2])) == [ENDS[1], ENDS[0]]
    assert times(streams(client, query, start=ENDS[0] + 1, end=ENDS[2] + 1)) == [ENDS[2], ENDS[1]]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ('{job="postgres"}', 5),
        ('{job!="postgres"}', 0),
        (f'{{trace_id="{STATEMENTS[1].trace_id}"}}', 3),
        (f'{{trace_id!="{STATEMENTS[1].trace_id}"}}', 2),
        ('{trace_id=""}', 0),
        ('{application=""}', 5),
        ('{queryid="no number"}', 0),
        ('{pid="42", kind="statement"}', 3),
        ('{pid="43"}', 0),
        ('{kind=~"st.*"}', 3),
        ('{kind=~"st"}', 0),
        ('{kind!~"st.*|plan"}', 1),
        ('{job="postgres"} |= "deadlock"', 1),
        ('{job="postgres"} != "deadlock"', 4),
        ('{job="postgres"} |~ "dead.*ock"', 1),
        ('{job="postgres"} !~ "dead.*ock"', 4),
        ('{job="postgres"} |= "duration" |= "plan:"', 1),
        ('{job="postgres"} | kind="plan"', 1),
        ('{job="postgres"} | json a="b" | kind="plan"', 1),
        ('{job="postgres"} | drop x, y |= "deadlock"', 1),
    ],
)  # fmt: skip
def test_filters_of_lines(client: TestClient, query: str, count: int) -> None:
    assert len(streams(client, query)) == count


def test_ids_are_looked_up_where_the_store_has_an_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only equality with a value: any other condition is applied to the lines that were read."""
    windows: list[LogWindow] = []

    def lines(_: object, window: LogWindow) -> list[LogLine]:
        windows.append(window)
        return []

    monkeypatch.setattr(server_log, "lines", lines)
    query = logql.parse('{pid="1", trace_id!="2", span_id="", kind="plan", queryid=~"3"} |= "4"')
    drilldown = Drilldown.of(LabSettings(_env_file=None))
    loki._found(drilldown, query, LogWindow(since_ns=0, until_ns=1))
    [asked] = windows
    assert (asked.equal, asked.limit) == ({"pid": "1"}, loki.READ_LINES)


def test_lines_are_counted_in_the_range_before_each_step(client: TestClient) -> None:
    """A line is in the range (step - range, step]; groups are the labels that were requested."""
    query = 'sum by (service, detected_level) (count_over_time({kind="statement"}[1s]))'
    found = data(
        client,
        "/loki/api/v1/query_range",
        query=query,
        start=ENDS[0],
        end=ENDS[0] + 3 * S,
        step="1s",
    )
    assert found["resultType"] == "matrix"
    [series] = found["result"]
    assert series["metric"] == {"service": "credit-risk", "detected_level": "info"}
    assert series["values"] == [[(ENDS[0] + n * S) / S, "1"] for n in range(3)]
    found = data(
        client, "/loki/api/v1/query_range", step=2, start=ENDS[0] - 1, end=ENDS[0] + 4 * S,
        query='count_over_time({kind="statement"}[3s])',
    )  # fmt: skip
    assert found["result"] == [
        {
            "metric": {},
            "values": [[(ENDS[0] - 1 + 2 * S) / S, "2"], [(ENDS[0] - 1 + 4 * S) / S, "2"]],
        }
    ]
    refused = client.get(
        "/loki/api/v1/query_range",
        params={
            "query": 'count_over_time({job="x"}[1s])',
            "start": START,
            "end": START + 2000 * S,
            "step": 1,
        },
    )
    assert refused.status_code == 400
    assert "2,001 points are requested, at most 2,000" in refused.json()["message"]


def test_an_instant_has_the_lines_of_the_hour_before_and_counts_of_its_range(
    client: TestClient,
) -> None:
    path = "/loki/api/v1/query"
    assert data(client, path, query="vector(1) + vector(1)")["result"][0]["value"][1] == "2"
    at = ENDS[1]
    found = data(client, path, query='{kind="statement"}', time=at)
    assert times(found["result"]) == [ENDS[1], ENDS[0]]
    assert data(client, path, query='{kind="statement"}', time=START + 3600 * S + S)["result"]
    for range_, count in (("1s", "1"), ("1001ms", "2")):
        query = f'sum(count_over_time({{kind="statement"}}[{range_}]))'
        found = data(client, path, query=query, time=at)
        sample = {"metric": {}, "value": [at / S, count]}
        assert found == {"resultType": "vector", "result": [sample]}


def test_names_and_values_of_labels(client: TestClient) -> None:
    window = {"start": START, "end": START + 10 * S}
    assert "detected_level" not in data(client, "/loki/api/v1/labels")
    assert data(client, "/loki/api/v1/label/kind/values", **window) == [
        "error",
        "plan",
        "statement",
    ]
    assert data(client, "/loki/api/v1/label/application/values", **window) == []
    groups = data(client, "/loki/api/v1/series", match='{kind="plan"}', **window)
    assert groups == [{
        "job": "postgres", "kind": "plan", "level": "info", "service": "credit-risk",
        "statement": "risk_distribution", "database": "creditdb",
    }]  # fmt: skip
    stats = client.get(
        "/loki/api/v1/index/stats", params={"query": '{kind="error"}', **window}
    ).json()
    assert stats == {
        "streams": 1,
        "chunks": 1,
        "entries": 1,
        "bytes": len("ERROR:  deadlock detected"),
    }


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("", 7), ("1700000000", 1_700_000_000 * S), ("1700000000.5", 1_700_000_000 * S + S // 2),
        ("9000000000", 9_000_000_000 * S), ("17000000000", 17_000_000_000),
        ("1700000000000000000", 1_700_000_000 * S),
    ],
)  # fmt: skip
def test_times_are_seconds_or_nanoseconds(text: str, ns: int) -> None:
    assert loki._time({"start": text}, "start", 7) == ns


@pytest.mark.parametrize("text", ["x", "-1", "1.x", "." * 3, "1" * 21])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="is not a time"):
        loki._time({"start": text}, "start", 7)


@pytest.mark.parametrize(
    ("text", "ns"), [("", 5), ("0.5", S // 2), ("15", 15 * S), ("0", 1), ("2m", 120 * S)]
)
def test_steps(text: str, ns: int) -> None:
    assert loki._step({"step": text}, 5) == ns


def test_a_condition_on_a_label_is_whole_and_one_on_a_line_is_not() -> None:
    labels = {"kind": "statement"}
    for label, operator, value, met in (
        ("kind", "=", "statement", True), ("kind", "=", "state", False), (None, "=", "ine", True),
        ("kind", "!=", "state", True), (None, "!=", "ine", False), ("none", "=", "", True),
        (None, "=~", "l.*ne", True), ("kind", "=~", "stat.*ment", True), ("kind", "=~", "tat", False),
    ):  # fmt: skip
        assert Filter(label=label, operator=operator, value=value).holds(labels, "a line") is met


@pytest.mark.parametrize(
    "query",
    [
        "{", '{a="b"} x', '{a "b"}', '{a=b}', "sum(", 'sum({a="b"})', 'count_over_time({a="b"})',
        'count_over_time({a="b"}[x])', '{a=~"("}', '{a="b"} |= ', "sum by (a", "&", '{a="b"}' + " " * 5_000,
    ],
)  # fmt: skip
def test_a_query_that_is_not_understood_is_refused(query: str) -> None:
    with pytest.raises(LogQLError):
        logql.parse(query)


def test_groups_are_named_before_or_after() -> None:
    before = logql.parse('sum by (a, b) (count_over_time({c="d"} | e="f" [1m30s]))')
    after = logql.parse('sum(count_over_time({c="d"} | e="f" [90s])) by (a,b)')
    assert before == after
    assert (before.by, before.range_ns) == (("a", "b"), 90 * S)
    assert logql.parse(r'{c="d"} |= "a\"b\n" |= `c\d`').filters[1:] == (
        Filter(label=None, operator="=", value='a"b\n'),
        Filter(label=None, operator="=", value=r"c\d"),
    )


def found(client: TestClient, **parameters: object) -> list[str]:
    answer = data(client, "/jaeger/api/traces", **parameters)
    return [str(int(one["traceID"], 16)) for one in answer]


@pytest.mark.parametrize(
    ("parameters", "traces"),
    [
        ({}, "321"),
        ({"limit": 1}, "3"),
        ({"service": "credit-risk"}, "21"),
        ({"operation": "lookup"}, "3"),
        ({"minDuration": "500ms"}, "32"),
        ({"minDuration": "501ms"}, "2"),
        ({"maxDuration": "0.5s"}, "31"),
        ({"maxDuration": "499999us"}, "1"),
        ({"start": (START + 2 * S) // 1000}, "32"),
        ({"end": (START + 2 * S) // 1000}, "1"),
        ({"tags": '{"lab.order": "slowest"}'}, "231"),
        ({"tags": '{"lab.order": "slowest"}', "limit": 2}, "23"),
        ({"tags": '{"error": "true"}'}, "2"),
        ({"tags": '{"error": "false"}'}, "31"),
        ({"tags": '{"region": "south"}', "limit": 1}, "2"),
        ({"tags": '{"region": "north"}'}, ""),
    ],
)  # fmt: skip
def test_traces_are_searched(
    client: TestClient, parameters: dict[str, object], traces: str
) -> None:
    assert "".join(found(client, **parameters)) == traces


def test_a_trace_as_jaegers_document(client: TestClient) -> None:
    """Zeros at the begin of its id may be missing; times are microseconds."""
    [trace] = data(client, "/jaeger/api/traces/2")
    assert trace["traceID"] == evidence.trace_id(2)
    assert trace["processes"] == {
        "p1": {"serviceName": "credit-risk", "tags": []}, "p2": {"serviceName": "postgres", "tags": []},
    }  # fmt: skip
    root, statement = trace["spans"]
    assert (root["operationName"], root["references"], root["processID"]) == (
        "risk_distribution",
        [],
        "p1",
    )
    assert (root["startTime"], root["duration"]) == ((START + 2 * S) // 1000, 700_000)
    assert root["tags"] == [
        {"key": "region", "type": "string", "value": "south"},
        {"key": "error", "type": "bool", "value": True},
    ]
    assert statement["operationName"] == "risk_distribution"
    assert statement["processID"] == "p2"
    assert statement["references"] == [
        {"refType": "CHILD_OF", "traceID": evidence.trace_id(2), "spanID": evidence.span_id(1)}
    ]
    assert statement["startTime"] == (START + 2 * S) // 1000 + 1_000
    tags = {tag["key"]: (tag["type"], tag["value"]) for tag in statement["tags"]}
    assert tags["db.statement"] == ("string", REPORT)
    assert tags["error"] == ("bool", True)
    assert tags["lab.plan"] == ("string", "executed")
    assert tags["lab.server_ms"] == ("float64", 301.0)
    assert tags["lab.queryid"] == ("string", str(evidence.QUERYID))
    assert "lab.waits" not in tags
    values = [field["value"] for log in statement["logs"] for field in log["fields"]]
    assert "deadlock detected (40P01)" in values
    [first] = data(client, "/jaeger/api/traces/1")
    assert first["spans"][0]["tags"] == []
    of_first = {tag["key"]: tag["value"] for tag in first["spans"][1]["tags"]}
    assert (of_first["lab.waits"], of_first["lab.blocked_by"]) == ("Lock:tuple x1", "7")


def test_services_operations_and_dependencies(client: TestClient) -> None:
    assert data(client, "/jaeger/api/services") == ["credit-customers", "credit-risk"]
    assert data(client, "/jaeger/api/services/credit-risk/operations") == ["risk_distribution"]
    begin = START // MS
    for end, lookback, count in (
        (begin + 10_000, 3_600_000, 2), (begin + 10_000, 8_000, 1), (begin + 10_000, 6_999, 1),
        (begin + 10_000, 6_998, 0), (begin + 3_001, 3_600_000, 1), (begin + 3_002, 3_600_000, 2),
    ):  # fmt: skip
        calls = data(client, "/jaeger/api/dependencies", endTs=end, lookback=lookback)
        assert calls == [{"parent": "credit-risk", "child": "postgres", "callCount": count}] * bool(
            count
        ), (end, lookback)


@pytest.mark.parametrize(
    ("text", "ms"),
    [("", None), ("1.5s", 1500), ("1m30s", 90_000), ("2h", 7_200_000), ("250us", 0.25)],
)
def test_durations_of_go(text: str, ms: float | None) -> None:
    assert jaeger._duration_ms(text) == ms


@pytest.mark.parametrize("text", ["1", "x", "1.2.3s", "1s x", "s", "1d", "1s" * 31])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="is not a duration"):
        jaeger._duration_ms(text)


def test_a_time_that_is_no_number_or_too_large_is_refused(client: TestClient) -> None:
    for given, reason in (
        ("x", "is not a number"),
        ("9" * 18, "beyond the year 9999"),
        ("1" * 19, "is not a number"),
    ):
        answer = client.get("/jaeger/api/traces", params={"start": given})
        assert answer.status_code == 400
        assert reason in answer.json()["errors"][0]["msg"]
    assert client.get("/jaeger/api/traces", params={"tags": "[]"}).status_code == 400
    assert client.get("/jaeger/api/traces/xyz").status_code == 422
    assert client.get("/jaeger/api/traces/77").status_code == 404
