"""The questions of a comparison when no side answers: each has the reason of its own side."""

from pathlib import Path

import pytest

from lab.compare.answers import Compared
from lab.compare.questions.case import NO_TRUTH, Case
from lab.compare.readings import Readings
from lab.compare.run import QUESTIONS
from lab.compare.side import PrometheusSide, TruthSide
from tests.compared import WINDOW, stored
from tests.fix_postgres import free_port, settings_for

NO_DATA = "the Datadog side received no data of it in the window"
NOT_SAMPLED = "the sessions were not sampled in the window"
NO_SPAN = "no span of an operation in the window"
# Questions that Prometheus could not answer either way.
NEVER = {
    "slowest execution, caller's time": "a histogram has the bucket of the slowest execution",
    "which session blocks which, now": "it counts waiting sessions; no series has the blocking ones",
    "statement of the oldest open transaction": "it has the transaction's age; no series of sessions",
    "statements with a plan": "no plan is in any series",
    "columns of the tables": "the exporter has no schema",
}
ASKED_OF_POSTGRESQL = (
    "connections in use, of max_connections",
    "connection limit of the role credit_app",
    "which session blocks which, now",
    "statement of the oldest open transaction",
    "work_mem",
    "columns of the tables",
)
TRUTHS = {
    "most frequent wait event of active sessions": "PostgreSQL 15 counts no wait events",
    "retention of metrics": "each stack's own setting",
}
OF_DATADOG = {
    "operations of credit-risk": NO_DATA,
    "failed operations, all services": NO_DATA,
    "mean duration of an operation": NO_SPAN,
    "95th percentile of credit-risk": NO_SPAN,
    "statements of all services": NO_DATA,
    "age of the newest point: load": "no span in the window",
    "slowest execution, caller's time": "no span of a statement in the window",
    "age of the newest point: statements": "no deltas in the window",
    "connections of the services": "no Agent sent postgresql.connections in the window",
    "connections in use, of max_connections":
        "no Agent sent postgresql.percent_usage_connections",
    "active sessions, mean": NOT_SAMPLED,
    "most sessions idle in transaction in the window": NOT_SAMPLED,
    "longest transaction in the window": NOT_SAMPLED,
    "most frequent wait event of active sessions": NOT_SAMPLED,
    "which session blocks which, now": NOT_SAMPLED,
    "statement of the oldest open transaction": NOT_SAMPLED,
    "age of the newest point: sessions": NOT_SAMPLED,
    "work_mem": "no settings were sent",
    "columns of the tables": "no schema was sent",
    "age of the newest point: server": "no Agent sent metrics in the window",
    "statements of the role lab": NO_DATA,
}  # fmt: skip


@pytest.fixture(scope="module")
def absent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Compared]:
    """The questions: no PostgreSQL, no Prometheus, no reading, and a store without a row."""
    nothing = settings_for(port=free_port(), database="absent")
    state: Path = tmp_path_factory.mktemp("absent")
    update = {"lab_state_dir": state, "prometheus_port": free_port()}
    settings = nothing.model_copy(update=update)
    case = Case(
        window=WINDOW,
        readings=Readings([]),
        truth=TruthSide(settings),
        prometheus=PrometheusSide(settings, WINDOW),
        aligned=PrometheusSide(settings, WINDOW),
        datadog=stored(settings),
    )
    return {row.question: row for module in QUESTIONS for row in module.compare(case)}


def test_no_question_is_about_a_statement_that_is_not_known(absent: dict[str, Compared]) -> None:
    """Nothing is known of statements, so that no question names one; those about tables stay."""
    assert not [question for question in absent if question.startswith(("calls of", "plans of"))]
    assert "rows inserted into installments" in absent
    assert len(absent) == 77


def test_the_truth_is_missing_for_want_of_readings_or_of_postgresql(
    absent: dict[str, Compared],
) -> None:
    """A text that names the console or the server; an age of nothing is 0 by definition."""
    for question, row in absent.items():
        if question in ASKED_OF_POSTGRESQL:
            assert row.truth.why_not.startswith("No PostgreSQL answers at"), question
        elif question.startswith("age of the newest point") or question == "statements with a plan":
            assert row.truth.value == 0.0, question
        else:
            assert row.truth.why_not.startswith(TRUTHS.get(question, NO_TRUTH)), question


def test_prometheus_does_not_answer_a_single_question(absent: dict[str, Compared]) -> None:
    for question, row in absent.items():
        reason = NEVER.get(question, "Prometheus does not answer at http://127.0.0.1:")
        assert row.prometheus.why_not.startswith(reason), question


def test_datadogs_side_names_the_kind_of_data_that_was_not_sent(
    absent: dict[str, Compared],
) -> None:
    """Nothing was sent: no plan and no trace are numbers all the same, and so is a documented retention."""
    assert {question: absent[question].datadog.why_not for question in OF_DATADOG} == OF_DATADOG
    values = {q: row.datadog.value for q, row in absent.items() if row.datadog.value is not None}
    assert values == {
        "statements with a plan": 0.0,
        "traces that the stack links to": 0.0,
        "retention of metrics": 456.0,
    }
