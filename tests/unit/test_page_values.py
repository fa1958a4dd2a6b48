"""What pages of traces, executions, plans and alerts show, from a store whose records are known."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from lab.console.notifications import Notification, Received
from lab.console.overview.service_map import Edge
from lab.console.pages import alerts, cause, execution, go, plans, service_map, traces
from lab.console.pages.service_map import Line, Node
from lab.console.pages.site import Page, Redirect
from lab.drilldown import Drilldown
from lab.drilldown.errors import MalformedIdError
from lab.drilldown.traces import Order
from lab.drills.catalogue import DRILLS
from lab.foundation import clock, statefile
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import moment
from lab.telemetry.store import Event, Record
from tests import evidence as of
from tests.evidence import START
from tests.fix_postgres import free_port, settings_for
from tests.fix_store import Store

S = 1_000_000_000


@pytest.fixture
def drilldown(store: Store, tmp_path: Path) -> Drilldown:
    """The drilldown over the test's store; neither PostgreSQL nor Prometheus answers."""
    absent: LabSettings = settings_for(port=free_port(), database="none")
    update = {"lab_state_dir": tmp_path, "prometheus_port": free_port()}
    return replace(Drilldown.of(absent.model_copy(update=update)), reader=store.reader)


def request(query: str = "", **path: str) -> Request:
    return Request(
        {"type": "http", "query_string": query.encode(), "headers": [], "path_params": path}
    )


def searched(drilldown: Drilldown, query: str) -> Mapping[str, Any]:
    found = traces.search(drilldown, request(query))
    assert isinstance(found, Page)
    return found.values


def ids(values: Mapping[str, Any]) -> list[int]:
    return [int(one.trace_id, 16) for one in values["found"].value]


def test_a_search_of_traces_by_every_field(store: Store, drilldown: Drilldown) -> None:
    """Bounds of the duration are part of it; the newest trace is first unless the slowest is asked for."""
    store.writer.commit(
        [
            of.root(1, ms=400), of.root(2, ms=700, error=True),
            of.root(3, ms=500, service="credit-customers", resource="lookup"),
        ],
        timeout_s=60,
    )  # fmt: skip
    values = searched(drilldown, "")
    assert ids(values) == [3, 2, 1]
    assert values["longest_ms"] == pytest.approx(700.0)
    assert values["services"] == ("credit-customers", "credit-risk")
    assert (values["operations"], values["window_label"]) == ((), "last 1 h")
    for query, found in (
        ("order=slowest", [2, 3, 1]), ("service=credit-risk", [2, 1]), ("operation=lookup", [3]),
        ("min_ms=500", [3, 2]), ("max_ms=500", [3, 1]), ("error=1", [2]),
    ):  # fmt: skip
        assert ids(searched(drilldown, query)) == found, query
    one = searched(drilldown, "service=credit-customers&order=slowest")
    assert (one["operations"], one["wanted"].order) == (("lookup",), Order.SLOWEST)
    unknown = searched(drilldown, "service=none")
    assert (unknown["longest_ms"], unknown["found"].value) == (1.0, None)
    assert "none" in unknown["found"].trouble


def test_an_id_leads_to_its_page(drilldown: Drilldown) -> None:
    """A trace id, or a traceparent with its span; what may be a queryid or a name leads to a statement."""
    trace, span = of.trace_id(0xAB), of.span_id(0xCD)
    assert traces.search(drilldown, request(f"id={trace}")) == Redirect(path=f"/traces/{trace}")
    for given, path in (
        (f"00-{trace}-{span}-01", f"/traces/{trace}/{span}"), ("", "/traces"),
        ("-42", "/queries/-42"), ("risk_distribution", "/queries/risk_distribution"),
    ):  # fmt: skip
        assert go.page(drilldown, request(f"q={given}")) == Redirect(path=path), given
    with pytest.raises(MalformedIdError):
        go.page(drilldown, request("q=No%20name"))


def test_the_bars_of_a_trace_are_percentages_of_its_whole_time(
    store: Store, drilldown: Drilldown
) -> None:
    """From its first span to its last; a bar has a least width, and stays within the drawing."""
    spans = [
        of.root(1, ms=400), of.statement(1, 2, at_ms=100, ms=200),
        of.statement(1, 3, at_ms=399.99, ms=0.01),
    ]  # fmt: skip
    store.writer.commit(spans, timeout_s=60)
    values = traces.one(drilldown, request(trace_id=of.trace_id(1))).values
    bars: Any = values["bars"]
    places = [(span.span_id, left, width) for span, left, width in bars]
    assert places[0] == (of.span_id(1), 0.0, 100.0)
    assert places[1] == (of.span_id(2), pytest.approx(25.0), pytest.approx(50.0))
    assert places[2] == (of.span_id(3), pytest.approx(99.75), 0.25)
    slowest: Any = values["slowest"]
    assert slowest.span_id == of.span_id(2)
    assert (values["left_out"], values["explained"]) == (0, True)


def test_a_large_trace_is_cut(
    store: Store, drilldown: Drilldown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "MAX_BARS", 2)
    spans = [of.root(1, ms=400), *(of.statement(1, n, at_ms=n, ms=1) for n in (2, 3, 4))]
    store.writer.commit(spans, timeout_s=60)
    values = traces.one(drilldown, request(trace_id=of.trace_id(1))).values
    bars: Any = values["bars"]
    assert (len(bars), values["left_out"]) == (2, 2)


def test_an_execution_has_its_neighbours_and_its_nodes(store: Store, drilldown: Drilldown) -> None:
    """The statements before and after it in its trace; none before the first and after the last."""
    statements = [of.statement(1, n, at_ms=10 * n, ms=5) for n in (2, 3, 4)]
    plan = of.plan(statements[1], ms=4)
    store.writer.commit(
        [of.root(1), *statements, plan, of.logged(statements[1], ms=4)], timeout_s=60
    )
    names = [None, "2", "3", "4", None]
    for at, one in enumerate(statements, start=1):
        path = {"trace_id": one.trace_id, "span_id": one.span_id.upper()}
        values = execution.page(drilldown, request(**path)).values
        neighbours: Any = values["neighbours"]
        found = [
            each and str(int(each.span_id, 16))
            for each in (neighbours["previous"], neighbours["next"])
        ]
        assert found == [names[at - 1], names[at + 1]]
        nodes: Any = values["nodes"]
        assert [(depth, node.label) for depth, node in nodes] == (
            [(0, "Seq Scan on installments")] if at == 2 else []
        )
        assert (values["where"], values["most_samples"]) == (None, 1)


def test_two_plans_show_what_the_other_has_not(store: Store, drilldown: Drilldown) -> None:
    """Labels of their own on either side; equal shapes are called so, and a part of an id is refused."""
    one, two = of.statement(1), of.statement(2)
    records: list[Record] = [
        of.root(1),
        of.root(2),
        one,
        two,
        of.plan(one, ms=3),
        of.plan(two, ms=4, table="payments"),
    ]
    store.writer.commit(records, timeout_s=60)
    a, b = (f"{each.trace_id}/{each.span_id}" for each in (one, two))
    values = plans.page(drilldown, request(f"a={a}&b={b}")).values
    sides: Any = values["sides"]
    assert [side.own for side in sides] == [{"Seq Scan on installments"}, {"Seq Scan on payments"}]
    assert values["same"] is False
    again = plans.page(drilldown, request(f"a={a}&b={a}")).values
    both: Any = again["sides"]
    assert ([side.own for side in both], again["same"]) == ([frozenset(), frozenset()], True)
    for wrong in (f"a={a}", f"a={a}&b={two.trace_id}"):
        with pytest.raises(MalformedIdError, match=r"b=.* is not an execution: TRACE_ID/SPAN_ID"):
            plans.page(drilldown, request(wrong))


def test_the_cause_of_a_run_is_its_blocker_or_the_statement_at_fault(
    store: Store, drilldown: Drilldown
) -> None:
    """A wait without a sampled blocker explains nothing; then the slowest plan of the drill's statement."""
    waiting, slow = of.statement(1, ms=900), of.statement(2, ms=300)
    wait = of.lock_wait(waiting, ms=800, blocked_by=7)
    assert isinstance(wait, Event)
    records: list[Record] = [
        of.root(1, ms=950), of.root(2, ms=400), waiting, slow, of.logged(waiting, ms=890),
        replace(wait, participants=()), of.plan(slow, ms=250), of.logged(slow, ms=250),
    ]  # fmt: skip
    store.writer.commit(records, timeout_s=60)
    since, until = moment(START), moment(START + 10 * S)
    drill = replace(DRILLS["slow-query"], statements=frozenset({"risk_distribution"}))
    found = cause.of_run(drilldown, drill, since, until)
    assert found
    assert "installments" in found
    assert cause.of_run(drilldown, None, since, until) is None
    assert cause.of_run(drilldown, drill, until, until) is None
    store.writer.commit([wait], timeout_s=60)
    blocked = cause.of_run(drilldown, drill, since, until)
    assert blocked
    assert blocked.startswith("risk_distribution waited ")
    assert blocked.endswith(" for a lock held by pid 7.")


def edge(caller: str, callee: str, total_ms: float) -> Edge:
    return Edge(
        caller=caller, callee=callee, calls=1, errors=0, total_ms=total_ms, slowest_ms=total_ms
    )


def test_a_service_map_has_columns_of_one_height_and_lines_by_share() -> None:
    """Fewer callees are spread over the height of the callers; the widest line is 14 wide, the least 1."""
    edges = [
        edge("b", "PostgreSQL", 280.0),
        edge("a", "PostgreSQL", 140.0),
        edge("c", "PostgreSQL", 2.0),
    ]
    callers, callees = service_map._places(edges)
    assert [(node.name, node.x, node.y) for node in callers.values()] == [
        ("a", 190, 43.0), ("b", 190, 95.0), ("c", 190, 147.0),
    ]  # fmt: skip
    assert callees == {"PostgreSQL": Node(name="PostgreSQL", x=710, y=95.0)}
    lines = service_map._lines(edges, callers, callees)
    assert [line.width for line in lines] == [14.0, 7.0, 1.0]
    assert lines[0] == Line(
        edge=edges[0], begin=callers["b"], end=callees["PostgreSQL"], width=14.0
    )
    nothing = edge("a", "PostgreSQL", 0.0)
    assert service_map._lines([nothing], callers, callees)[0].width == 1.0
    assert service_map._places([]) == ({}, {})


def test_an_empty_map_is_as_high_as_one_line(drilldown: Drilldown) -> None:
    values = service_map.page(drilldown, request()).values
    assert (values["height"], values["lines"], values["seconds"]) == (86, [], 900.0)


@pytest.mark.parametrize(("ago_s", "late"), [(600, False), (601, True), (None, None)])
def test_a_watchdog_is_late_after_ten_minutes(
    drilldown: Drilldown, monkeypatch: pytest.MonkeyPatch, ago_s: int | None, late: bool | None
) -> None:
    """Notifications are shown newest first, and a Prometheus that is away has its reason."""
    now_ns = START + 3600 * S
    monkeypatch.setattr(clock, "now_ns", lambda: now_ns)
    notifications = tuple(
        Notification(
            received_ns=START + n, name=f"n{n}", status="firing", severity="", labels={}, summary="",
            started="",
        )
        for n in range(102)
    )  # fmt: skip
    received = Received(
        watchdog_ns=None if ago_s is None else now_ns - ago_s * S, notifications=notifications
    )
    path = Path(drilldown.settings.lab_state_dir) / "alerts" / "received.json"
    statefile.write_json(path, received)
    values = alerts.page(drilldown, request()).values
    assert values["late"] is late
    assert values["watchdog"] == (None if ago_s is None else moment(now_ns - ago_s * S))
    shown: Any = values["notifications"]
    assert (len(shown), shown[0][1].name, shown[-1][1].name) == (100, "n101", "n2")
    assert shown[0][0] == moment(START + 101)
    assert str(values["trouble"]).startswith("Prometheus does not answer")
    assert values["active"] == []
