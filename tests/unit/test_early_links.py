"""Links to traces and statements that live sessions and the log name before the store has them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lab.console.access import Access
from lab.console.pages.site import Site
from lab.console.pages.table import PAGES
from lab.drilldown import Drilldown, NotFoundError, sessions
from lab.drilldown.errors import PendingTraceError
from lab.drilldown.trace import PENDING_S
from lab.foundation import clock
from lab.foundation.settings import LabSettings
from lab.telemetry.intake import Gate
from tests import evidence
from tests.fix_postgres import free_port
from tests.fix_store import Store

SPAN = evidence.span_id(2)


def begun(seconds_ago: float) -> str:
    """Return a trace id of ddtrace's form."""
    return f"{int(clock.now_s() - seconds_ago):08x}{'0' * 8}a1b2c3d4e5f60718"


@pytest.fixture
def drilldown(store: Store, tmp_path: Path) -> Drilldown:
    """Over the test's store; neither PostgreSQL nor Prometheus answers."""
    ports = {"postgres_port": free_port(), "prometheus_port": free_port()}
    found = Drilldown.of(LabSettings(_env_file=None, lab_state_dir=tmp_path, **ports))
    return Drilldown(
        settings=found.settings,
        reader=store.reader,
        prometheus=found.prometheus,
        links=found.links,
    )


@pytest.fixture
def client(drilldown: Drilldown) -> Iterator[TestClient]:
    site = Site(drilldown, Access(Gate(None), None), PAGES)
    with TestClient(Starlette(routes=site.routes()), base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize("path", ["/traces/{}", f"/traces/{{}}/{SPAN}"])
def test_a_trace_of_moments_ago_is_a_page_that_waits_for_it(client: TestClient, path: str) -> None:
    """It refreshes itself; the trace of an hour ago that is not there, or an id without a time, is a 404."""
    answer = client.get(path.format(begun(3)))
    assert answer.status_code == 200
    assert "has arrived yet" in answer.text
    assert 'data-state="pending" data-refresh="3"' in answer.text
    for old in (begun(3600), begun(-3600), "f" * 32, "0" * 15 + "1" + "0" * 15 + "2"):
        refused = client.get(path.format(old))
        assert (refused.status_code, "data-refresh" in refused.text) == (404, False)


def test_a_span_whose_process_has_not_sent_it_yet_is_awaited(
    store: Store, drilldown: Drilldown, client: TestClient
) -> None:
    young, old = begun(3), begun(PENDING_S + 60)
    roots = [evidence.root(1, trace_id=trace_id) for trace_id in (young, old)]
    store.writer.commit(roots, timeout_s=60)
    assert client.get(f"/traces/{young}").status_code == 200
    assert "has not arrived yet" in client.get(f"/traces/{young}/{SPAN}").text
    with pytest.raises(PendingTraceError):
        drilldown.execution(young, SPAN)
    with pytest.raises(NotFoundError, match="has no span"):
        drilldown.execution(old, SPAN)


def test_the_command_reports_that_it_may_still_arrive(drilldown: Drilldown) -> None:
    with pytest.raises(NotFoundError, match="sends a trace about a second after its operation"):
        drilldown.report(begun(3))


def test_a_statement_that_only_an_error_of_the_log_names_has_a_page(
    store: Store, client: TestClient
) -> None:
    """A statement that always fails is in no execution, plan or query metric."""
    failed = evidence.failed(evidence.statement(1), "division by zero", "22012")
    store.writer.commit([failed], timeout_s=60)
    assert client.get(f"/queries/{evidence.QUERYID}").status_code == 200
    assert client.get("/queries/77").status_code == 404


def session(
    queryid: str | None, statement: str | None, pid: int, *, role: str = "credit_app",
    blocked_by: tuple[int, ...] = (),
) -> sessions.Session:  # fmt: skip
    return sessions.Session(
        pid=pid, role=role, application="app", database="d", state="active", queryid=queryid,
        wait_event_type=None, wait_event=None, service=None, statement=statement, text="SELECT ?",
        trace_id=None, span_id=None, backend_type="client backend", query_age_s=1.0,
        transaction_age_s=1.0, state_age_s=1.0, blocked_by=blocked_by,
    )  # fmt: skip


def test_the_page_of_sessions_links_only_to_statements_that_have_a_page(
    store: Store, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A COMMIT has a queryid, and never a text; a statement's queryid may be known before DBM reports it."""
    store.writer.commit([evidence.known()], timeout_s=60)
    found = sessions._of(
        [
            session("11", None, 1),
            session("12", "customer_by_cpf", 2),
            session("13", "of_another", 3),
            session(str(evidence.QUERYID), "risk_distribution", 4),
        ],
        {},
    )
    monkeypatch.setattr(sessions, "live", lambda _: found)
    page = client.get("/sessions").text
    assert f'href="/queries/{evidence.QUERYID}"' in page
    assert 'href="/queries/customer_by_cpf"' in page
    assert not [key for key in ("11", "12", "13", "of_another") if f'"/queries/{key}"' in page]
    assert ">11</span>" in page
    assert ">of_another</span>" in page


def test_the_page_of_sessions_hides_observers_that_take_part_in_no_wait(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the observers' sessions one blocks and one waits; the third is shown on request."""
    found = sessions._of(
        [
            session(None, None, 501),
            session(None, None, 502, blocked_by=(503,)),
            session(None, None, 503, role="lab"),
            session(None, None, 504, role="datadog", blocked_by=(501,)),
            session(None, None, 505, role="postgres_exporter"),
        ],
        {},
    )
    monkeypatch.setattr(sessions, "live", lambda _: found)

    def shown(path: str) -> set[int]:
        table = client.get(path).text.partition("Busy sessions")[2]
        return {int(pid) for pid in re.findall(r'<td class="n left">([0-9]+)</td>', table)}

    assert shown("/sessions") == {501, 502, 503, 504}
    assert shown("/sessions?monitoring=1") == {501, 502, 503, 504, 505}
