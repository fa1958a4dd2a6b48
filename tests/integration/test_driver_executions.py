"""How psycopg2 sends SQL under ddtrace, from the driver through PostgreSQL's log to the drilldown."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.clients.database import Role
from lab.drilldown.execution import PlanSource, StatementExecution
from lab.drilldown.executions import executions
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from lab.stack.native.cluster import Cluster
from lab.telemetry.intake.tracer import v05
from lab.telemetry.pglog import LogReader
from lab.telemetry.store import Bounds, Reader, Snapshot, Writer
from tests.fix_postgres import Database
from tests.fix_receiver import Receiver
from tests.fix_store import HOUR_NS, Tally
from tests.fix_workload import cloned
from tests.unit.test_pglog_tail import LogTally

RUN_S = 120
SOON_S = 150


@dataclass(frozen=True, kw_only=True)
class Driven:
    """What the store holds after the cases ran: a trace for each."""

    reader: Reader
    traces: dict[str, str]

    def of(self, case: str) -> Sequence[StatementExecution]:
        return executions(self.reader, self.traces[case])

    def only(self, case: str) -> StatementExecution:
        [found] = self.of(case)
        return found


@pytest.fixture(scope="module")
def driven(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    with (
        cloned(cluster, "lab_template") as database,
        drive(database, cluster.data / "log", tmp_path_factory.mktemp("driven")) as found,
    ):
        yield found


@contextmanager
def drive(database: Database, log: Path, folder: Path, *cases: str) -> Iterator[Driven]:
    """Run cases, all when none is named, and read what the tracer sent and the server logged."""
    receiver, bounds = Receiver(), Bounds(age_ns=HOUR_NS, size_bytes=10**9)
    try:
        with Writer(folder / "store.sqlite", bounds, Tally()) as writer:
            traces = run(database, receiver, *cases)
            reader = Reader(folder / "store.sqlite")
            follower = LogReader(log, reader, writer, LogTally())
            follower.catch_up()
            for body in receiver.bodies:
                writer.commit(v05(body), timeout_s=SOON_S)
            writer.commit([settings(reader)], timeout_s=SOON_S)
            await_state(
                "the log's last line of the cases is stored",
                lambda: (follower.catch_up() and None) or still_missing(reader, traces),
                within_s=SOON_S,
            )
            yield Driven(reader=reader, traces=traces)
    finally:
        receiver.close()


def run(database: Database, receiver: Receiver, *cases: str) -> dict[str, str]:
    environment = os.environ | {
        "DD_TRACE_AGENT_URL": receiver.url, "DD_DBM_PROPAGATION_MODE": "full", "DD_SERVICE": "credit-test",
        "DD_ENV": "lab", "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "DD_REMOTE_CONFIGURATION_ENABLED": "false", "DD_TRACE_STARTUP_LOGS": "false",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tests.driver_cases", database.dsn(Role.SUPERUSER), *cases],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def settings(reader: Reader) -> Snapshot:
    known = {"log_min_duration_statement": "100", "auto_explain.log_min_duration": "200"}
    at_ns = reader.rows("SELECT max(start_ns) FROM spans")[0][0]
    return Snapshot(kind="pg_settings", host="here", at_ns=at_ns, payload=json.dumps(known))


def still_missing(reader: Reader, traces: dict[str, str]) -> str | None:
    logged = dict(traces)
    failing = logged.pop("fails", None)
    last = list(logged.values())[-1] if "cascade" not in logged else logged["cascade"]
    [(stored,)] = reader.rows("SELECT count(*) FROM executions WHERE trace_id = ?", [last])
    failed = not failing or reader.rows("SELECT 1 FROM events WHERE trace_id = ?", [failing])
    return None if stored and failed else f"{stored} executions of the last case, failed: {failed}"


def times(found: StatementExecution) -> list[float]:
    return [each.server_ms for each in found.executions]


@pytest.mark.parametrize(
    "case",
    ["composed", "percent_literal", "percent_param", "leading_comment", "explain", "ctas", "refresh",
     "paren_select", "bytes"],
)  # fmt: skip
def test_one_statement_has_its_own_time_and_plan(driven: Driven, case: str) -> None:
    found = driven.only(case)
    assert len(found.executions) == 1
    assert found.server_ms is not None
    assert 300 <= found.server_ms <= found.client_ms
    assert found.plan.source is PlanSource.EXECUTED


def test_executemany_is_several_executions(driven: Driven) -> None:
    """One span, one comment, three messages: each with its own time and plan."""
    found = driven.only("executemany")
    assert [round(each / 50) * 50 for each in times(found)] >= [300, 500, 250]
    assert {each.plan.source for each in found.executions} == {PlanSource.EXECUTED}
    assert len({each.plan.tree.total_ms for each in found.executions if each.plan.tree}) == 3
    assert found.server_ms == pytest.approx(sum(times(found)), abs=0.01)
    assert found.plan == max(found.executions, key=lambda each: each.server_ms).plan
    assert "below log_min_duration_statement (100 ms)" in found.absent["executions"]


def test_fast_executions_of_executemany_are_not_called_one_fast_execution(driven: Driven) -> None:
    """The span is above the threshold, each execution below it."""
    found = driven.only("executemany_fast")
    assert (found.server_ms, found.executions) == (None, ())
    assert "(100 ms) on the server in each execution" in found.absent["server_ms"]


def test_statements_in_one_string_have_each_its_own_plan_and_queryid(driven: Driven) -> None:
    """The log has one time for the string; auto_explain has one for each statement."""
    found = driven.only("two_statements")
    assert [len(times(found)), len({each.queryid for each in found.executions})] == [2, 2]
    assert found.server_ms is not None
    assert found.server_ms >= sum(times(found))
    assert found.queryid is None
    roots = [each.plan.tree.root.type for each in found.executions if each.plan.tree]
    assert roots == ["Result", "Aggregate"]
    assert {each.text for each in found.executions} == {None}
    texts = driven.reader.rows("SELECT text FROM statements WHERE text LIKE '%;%SELECT%'")
    assert texts == []


def test_a_batch_is_several_statements(driven: Driven) -> None:
    found = driven.only("batch")
    assert len(found.executions) == 2
    assert all("one of several statements" in (each.note or "") for each in found.executions)


def test_pages_of_values_are_spans_of_their_own(driven: Driven) -> None:
    first, second = driven.of("values_pages")
    assert len(first.executions) == len(second.executions) == 1


def test_a_cursor_has_its_fetches(driven: Driven) -> None:
    """FETCH carries no comment: session and cursor name lead from DECLARE's plan to it."""
    found = driven.only("server_side_cursor")
    cursor = [each for each in found.executions if each.plan.source is PlanSource.EXECUTED]
    fetches = [each for each in found.executions if "FETCH" in (each.note or "")]
    assert (len(cursor), len(fetches)) == (1, 2)
    assert cursor[0].server_ms >= 400
    assert found.server_ms is not None
    assert found.server_ms >= 400
    assert {each.text for each in fetches} <= {
        'FETCH FORWARD ? FROM "big"', 'FETCH FORWARD ALL FROM "big"',
    }  # fmt: skip


def test_two_cursors_keep_their_fetches_apart(driven: Driven) -> None:
    """Also when their names differ in case only."""
    left, right = driven.of("two_cursors")
    for found, name in ((left, "Left"), (right, "left")):
        fetches = [each for each in found.executions if "FETCH" in (each.note or "")]
        assert [each.text for each in fetches] == [f'FETCH FORWARD ALL FROM "{name}"']


def fetches(found: StatementExecution) -> list[str]:
    return [
        str(each.text).split(" ")[0]
        for each in found.executions
        if each.plan.source is PlanSource.NONE
    ]


def test_a_cursor_that_is_iterated_has_the_fetches_of_its_own_transaction(driven: Driven) -> None:
    """Two by one name in one session: three FETCHes of 30 rows each; a fast one is not in the log."""
    first, second = driven.of("iterated")
    for found, least in ((first, 75 * 4), (second, 75 * 8)):
        assert 2 <= len(fetches(found)) <= 3
        assert found.server_ms is not None
        assert found.server_ms >= least


def test_a_cursor_with_hold_has_the_rows_that_commit_made(driven: Driven) -> None:
    """The FETCHes after it read what is there already."""
    found = driven.only("with_hold")
    [cursor] = found.executions
    assert cursor.server_ms >= 400
    assert cursor.note
    assert "WITH HOLD, its rows are computed when the transaction ends" in cursor.note


def test_a_move_is_shown_beside_the_fetches(driven: Driven) -> None:
    assert sorted(fetches(driven.only("scrolled"))) == ["FETCH", "MOVE"]


def test_execute_has_the_plan_and_prepare_has_none(driven: Driven) -> None:
    """auto_explain logs EXECUTE's plan with PREPARE's text and traceparent."""
    prepare, first, second = driven.of("prepared")
    assert (prepare.server_ms, prepare.executions, prepare.plan.source) == (
        None, (), PlanSource.NONE,
    )  # fmt: skip
    assert prepare.plan.note
    assert "PREPARE" in prepare.plan.note
    for found, least in ((first, 300), (second, 400)):
        assert found.plan.source is PlanSource.EXECUTED
        assert found.server_ms is not None
        assert found.server_ms >= least
        assert len(found.executions) == 1


def test_the_plan_of_a_statement_inside_do_is_shown_with_do(driven: Driven) -> None:
    found = driven.only("do_block")
    assert [each.plan.source for each in found.executions] == [PlanSource.EXECUTED]
    assert found.server_ms is not None
    assert found.server_ms >= 300


def test_a_call_without_comment_is_said_to_have_none(driven: Driven) -> None:
    """callproc sends no traceparent, copy_expert makes no span."""
    found = driven.only("callproc")
    assert (found.executions, found.server_ms) == ((), None)
    assert "the tracer sent no traceparent with this call" in found.absent["server_ms"]
    assert driven.of("copy_out") == ()


def test_a_cascade_names_its_trigger(driven: Driven) -> None:
    """The time of a foreign key is outside the plan."""
    delete = driven.of("cascade")[-1]
    assert delete.plan.worst_node
    assert "outside the plan: trigger zc_p_fkey on zp (100 calls)" in delete.plan.worst_node


def test_a_failed_statement_has_its_error(driven: Driven) -> None:
    found = driven.only("fails")
    assert found.executions == ()
    assert found.absent["server_ms"].startswith("it failed")


def test_no_plan_is_stored_for_another_statement(driven: Driven) -> None:
    """Every executed plan with a traceparent is of the span that carried it."""
    for case in driven.traces:
        for found in driven.of(case):
            for each in found.executions:
                assert each.server_ms <= max(found.client_ms, found.server_ms or 0) + 1
