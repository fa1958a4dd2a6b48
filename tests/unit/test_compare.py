"""A comparison: errors against the truth, and what a person reads."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from lab.cli.views.compare import render
from lab.compare import report
from lab.compare.answers import Answer, Compared, Comparison, Cost, cannot
from lab.compare.resources import LAB, PROMETHEUS, Spent

COST = Cost(
    role="datadog",
    calls_per_s=1.5,
    ms_per_s=2.0,
    share_percent=0.3,
    blocks_per_s=9.0,
    sessions=1,
)
SPENT = (
    Spent(observer=PROMETHEUS, what="job postgres: samples", unit="/min", value=9_000.0),
    Spent(observer=LAB, what="store: rows", why_not="there is no <store>"),
)


def compared(truth: float | str, told: float | str | None) -> Compared:
    return Compared(
        question="calls of browse_products",
        unit="ms",
        truth=Answer(value=truth),
        prometheus=Answer(value=told, age_s=3.0),
        datadog=cannot("no deltas"),
    )


@pytest.mark.parametrize(
    ("truth", "told", "error"),
    [(10.0, 11.0, 10.0), (10.0, 9.5, -5.0), (0.0, 0.0, 0.0), (0.0, 1.0, None), ("a", "b", None)],
)
def test_the_error_is_against_the_truth_and_nothing_else(
    truth: float | str, told: float | str, error: float | None
) -> None:
    """In per cent, with its sign; none where the truth is zero or no number."""
    one = compared(truth, told)
    assert one.error_percent(one.prometheus) == (None if error is None else pytest.approx(error))
    assert one.error_percent(one.datadog) is None


def test_the_page_has_every_answer_and_nothing_from_elsewhere() -> None:
    """Values, errors and reasons; no script; text of a database is no markup."""
    rows = (compared(200.0, 190.0), compared("<b>", "<i>"))
    found = Comparison(
        since_s=300.0,
        datadog="the intake",
        rows=rows,
        costs=(COST,),
        costs_since_s=120.0,
        spent=SPENT,
    )
    page = report.html(found, "2 processors")
    assert "-5.0 %" in page
    assert "cannot answer: no deltas" in page
    assert "2 processors" in page
    assert "&lt;i&gt;" in page
    assert "No PostgreSQL answers" not in page
    away = replace(found, absent=("No PostgreSQL answers at &",))
    assert "No PostgreSQL answers at &amp;" in report.html(away, "")
    assert "<i>" not in page
    assert "<script" not in page
    assert "9,000 /min" in page
    assert "cannot answer: there is no &lt;store&gt;" in page


def test_a_person_reads_value_error_age_and_why_not() -> None:
    found = Comparison(
        since_s=300.0,
        datadog="the intake: embedded agent, not Datadog's",
        rows=(compared(200.0, 190.0), compared(1_234_567.0, None)),
        costs=(COST,),
        costs_since_s=120.0,
        spent=SPENT,
    )
    screen = Console(file=io.StringIO(), width=150)
    screen.print(render(found))
    told = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "190 ms -5.0 % 3 s old" in told
    assert "cannot: no deltas" in told
    assert "1,234,567 ms" in told
    assert "embedded agent, not Datadog's" in told
    assert "0.3 %" in told
    assert "9,000 /min" in told
    assert "cannot answer: there is no <store>" in told
