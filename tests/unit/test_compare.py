"""A comparison: errors against the truth, and what a person reads."""

import csv
import io
from dataclasses import replace

import pytest
from rich.console import Console

from lab.cli.views.compare import render
from lab.compare import report
from lab.compare.answers import Answer, Compared, Group, Parts, cannot
from lab.compare.comparison import Comparison, Cost
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


def compared(truth: float | str, reported: float | str | None) -> Compared:
    return Compared(
        group=Group.STATEMENTS,
        question="calls of browse_products",
        unit="ms",
        truth=Answer(value=truth),
        prometheus=Answer(value=reported, age_s=3.0, parts=Parts(extrapolation=2.0, delay=-12.0)),
        datadog=cannot("no deltas"),
    )


@pytest.mark.parametrize(
    ("truth", "reported", "error"),
    [(10.0, 11.0, 10.0), (10.0, 9.5, -5.0), (0.0, 0.0, 0.0), (0.0, 1.0, None), ("a", "b", None)],
)
def test_the_error_is_against_the_truth_and_nothing_else(
    truth: float | str, reported: float | str, error: float | None
) -> None:
    """In per cent, with its sign; none where the truth is zero or no number."""
    one = compared(truth, reported)
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


def shown(found: Comparison, width: int) -> str:
    screen = Console(file=io.StringIO(), width=width)
    screen.print(render(found))
    return str(screen.file.getvalue())  # type: ignore[attr-defined]


def a_comparison() -> Comparison:
    long = replace(
        compared(0.0123, 0.02), question="95th percentile of contract_for_statement, caller's time",
        group=Group.LOAD,
    )  # fmt: skip
    text = replace(compared("a", None), truth=Answer(value="31234 by 31235 31236, 31240 by 31234"))
    return Comparison(
        since_s=300.0,
        asked_s=600.0,
        datadog="the intake: embedded agent, not Datadog's",
        rows=(long, compared(200.0, 190.0), compared(1_234_567.0, None), text),
        costs=(COST,),
        costs_since_s=120.0,
        spent=SPENT,
    )


def test_a_person_reads_value_error_and_why_not() -> None:
    """The letter of an error's largest part; reasons as notes; the window that both stacks have."""
    text = shown(a_comparison(), 150)
    assert "190 ms -5.0 d" in text
    assert "[1] no deltas" in text
    assert "1,234,567 ms" in text
    assert "embedded agent, not Datadog's" in text
    assert "300 s (of 600 s: the window that both stacks and the truth have)" in text
    assert "0.3 %" in text
    assert "9,000 /min" in text
    assert "cannot answer: there is no <store>" in text
    assert text.index("load") < text.index("95th percentile") < text.index("statements")


def test_it_fits_a_terminal_of_80_columns() -> None:
    """No line is longer, no column is squeezed to less than a word, and errors and names are not cut."""
    names = replace(compared("a", "credit-servicing"), question="services that run insert_payments")
    names = replace(names, datadog=Answer(value="insert_disbursement credit-risk"))
    rows = replace(
        compared(2_147_480_933.0, 2_147_480_000.0), datadog=Answer(value=4_000_000_000.0)
    )
    found = replace(a_comparison(), rows=(*a_comparison().rows, names, rows))
    lines = [line.rstrip() for line in shown(found, 80).splitlines()]
    assert max(map(len, lines)) <= 80
    assert any("95th percentile" in line for line in lines)
    assert {"calls of", "browse_products"} <= {line[:19].strip() for line in lines}
    assert any(line.endswith("+86.3") for line in lines)
    assert any("<0.1" in line for line in lines)
    words = {word for line in lines for word in line.split()}
    assert {"credit-", "servicing", "insert_", "disbursement", "credit-risk"} <= words


def test_the_summary_counts_by_stack() -> None:
    prometheus, datadog = a_comparison().summaries()
    assert (prometheus.questions, prometheus.answered, prometheus.cannot_percent) == (4, 2, 50.0)
    assert (datadog.answered, datadog.cannot_percent, datadog.age_s) == (0, 100.0, None)
    assert (prometheus.exact, prometheus.observer_errors, prometheus.age_s) == (0, 0, 3.0)
    assert datadog.ms_per_s == 2.0
    wrong = replace(compared(200.0, 190.0), datadog=Answer(value=199.0, parts=Parts(observer=-1.0)))
    _, datadog = replace(a_comparison(), rows=(wrong,)).summaries()
    assert (datadog.exact, datadog.observer_errors) == (1, 1)


def test_json_has_summary_errors_and_no_points() -> None:
    document = a_comparison().to_json()
    assert document["summary"]["prometheus"]["answered"] == 2
    row = document["rows"][1]
    assert row["group"] == "statements"
    assert row["prometheus"]["error_percent"] == -5.0
    assert row["prometheus"]["parts"]["delay"] == -12.0
    assert "points" not in row["truth"]


def test_csv_has_a_line_for_each_question() -> None:
    """Text of a database that a spreadsheet would take for a formula begins with an apostrophe."""
    odd = replace(compared("=1+1", None), question="blocking")
    found = replace(a_comparison(), rows=(*a_comparison().rows, odd))
    table = list(csv.DictReader(io.StringIO(report.csv(found))))
    assert len(table) == 5
    assert table[1]["prometheus_value"] == "190.0"
    assert table[1]["prometheus_delay"] == "-12.0"
    assert table[1]["datadog_why_not"] == "no deltas"
    assert table[4]["truth"] == "'=1+1"
