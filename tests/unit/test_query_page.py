"""The page of one statement: what its charts draw for each step, of either observer."""

from pathlib import Path

import pytest
from starlette.requests import Request

from lab.console.pages import queries
from lab.console.pages.chart import Chart
from lab.drilldown import Drilldown
from lab.foundation import clock
from lab.foundation.settings import LabSettings
from lab.telemetry.store import Source
from tests import evidence
from tests.fix_postgres import free_port, settings_for
from tests.fix_store import Store

NS = 1_000_000_000


@pytest.fixture
def drilldown(store: Store, tmp_path: Path) -> Drilldown:
    """The drilldown over the test's store; no Prometheus answers."""
    defaults: LabSettings = settings_for(port=free_port(), database="none")
    update = {"lab_state_dir": tmp_path, "prometheus_port": free_port()}
    drilldown = Drilldown.of(defaults.model_copy(update=update))
    return Drilldown(
        settings=drilldown.settings,
        reader=store.reader,
        prometheus=drilldown.prometheus,
        links=drilldown.links,
    )


def request(**fields: str) -> Request:
    query = "&".join(f"{name}={value}" for name, value in fields.items())
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/queries/42",
            "query_string": query.encode(),
            "headers": [],
            "path_params": {"key": "42"},
        }
    )


def chart(drilldown: Drilldown, name: str, window: str = "15m") -> Chart:
    found = queries.one(drilldown, request(window=window)).values[name]
    assert isinstance(found, Chart)
    return found


def test_the_charts_draw_what_dbm_counted_and_nothing_of_a_silent_prometheus(
    store: Store, drilldown: Drilldown
) -> None:
    """Sixty calls of 90 ms in a step of ten seconds are six a second of 1.5 ms; other steps have no value."""
    at_ns = clock.now_ns() - 120 * NS
    one = evidence.deltas(42, at_ns=at_ns, calls=60, exec_time_ms=90.0, source=Source.EMBEDDED)
    store.writer.commit([evidence.known(42), one], timeout_s=60)
    calls, mean = chart(drilldown, "calls_chart"), chart(drilldown, "mean_chart")
    for found, value in ((calls, 6.0), (mean, 1.5)):
        assert [series.label for series in found.series] == ["Prometheus", "DBM"]
        prometheus, dbm = (list(series.values) for series in found.series)
        assert set(prometheus) == {None}
        assert [v for v in dbm if v is not None] == [pytest.approx(value)]
        [ends_ms] = [t for t, v in zip(found.times_ms, dbm, strict=True) if v is not None]
        assert 0 <= ends_ms - at_ns / 1e6 < 10_000


def test_the_list_has_the_applications_statements_unless_all_are_selected(
    store: Store, drilldown: Drilldown
) -> None:
    """Ordered by time, with each one's share of it; a monitoring role's are among all."""
    at_ns = clock.now_ns() - 120 * NS
    store.writer.commit(
        [
            evidence.known(1, name="quick"),
            evidence.known(2, name="slow"),
            evidence.known(3, name="observer"),
            evidence.deltas(1, at_ns=at_ns, exec_time_ms=10.0, calls=5),
            evidence.deltas(2, at_ns=at_ns, exec_time_ms=30.0, calls=1),
            evidence.deltas(3, at_ns=at_ns, exec_time_ms=500.0, role="datadog"),
        ],
        timeout_s=60,
    )
    values = queries.listed(drilldown, request()).values
    found = values["found"].value  # type: ignore[attr-defined]
    assert [each.statement for each in found] == ["slow", "quick"]
    assert values["largest_share"] == pytest.approx(0.75)
    assert (values["all_roles"], values["seconds"]) == (False, pytest.approx(3600.0))
    by_calls = queries.listed(drilldown, request(by="calls")).values["found"].value  # type: ignore[attr-defined]
    assert [each.statement for each in by_calls] == ["quick", "slow"]
    all_roles = queries.listed(drilldown, request(all="1")).values
    assert all_roles["all_roles"] is True
    assert [e.statement for e in all_roles["found"].value] == ["observer", "slow", "quick"]  # type: ignore[attr-defined]
