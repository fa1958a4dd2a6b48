"""The console's page of a comparison: a chart below each question whose sides have points over time."""

from dataclasses import replace
from pathlib import Path

from lab.compare.answers import CLOSE_PERCENT, Answer, Compared, Group, Parts, cannot
from lab.compare.comparison import EXACT_PERCENT, Comparison
from lab.compare.wording import PARTS, number, parts_text, signed_percent
from lab.console.pages.compare import charts
from lab.console.pages.site import _environment
from lab.foundation.settings import LabSettings

NS = 1_000_000_000
DRAWN = Compared(
    group=Group.STATEMENTS,
    question="calls of <b>",
    unit="",
    truth=Answer(value=600.0, points=tuple((at * 10 * NS, 1.0) for at in range(1, 61))),
    prometheus=Answer(
        value=594.0,
        parts=Parts(delay=-6.0),
        points=tuple((at * 10 * NS, 2.0) for at in range(5, 60)),
    ),
    datadog=Answer(value=600.0, parts=Parts(delay=0.1), points=((95 * NS, 3.0),)),
)
TEXT = replace(
    DRAWN,
    question="plans",
    truth=Answer(value="1"),
    prometheus=cannot("no plan"),
    datadog=Answer(value="2"),
)
FOUND = Comparison(
    since_s=595.0,
    asked_s=600.0,
    datadog="the intake",
    rows=(DRAWN, TEXT),
    costs=(),
    costs_since_s=1.0,
)


def test_all_sides_are_drawn_at_the_same_times() -> None:
    """Each with its newest point then; a value that is older than three steps is missing."""
    drawn = charts(FOUND)
    assert set(drawn) == {"calls of <b>"}
    chart = drawn["calls of <b>"]
    truth, prometheus, datadog = chart.series
    assert len(chart.times_ms) == len(truth.values) == len(prometheus.values)
    assert set(truth.values) == {1.0}
    assert (prometheus.values[0], prometheus.values[10]) == (None, 2.0)
    known = [value for value in datadog.values if value is not None]
    assert known == [3.0] * len(known)
    assert 1 <= len(known) <= 4


def test_the_page_has_summary_groups_parts_and_charts(tmp_path: Path) -> None:
    template = _environment(LabSettings(_env_file=None, lab_state_dir=tmp_path)).get_template(
        "compare/tables.html"
    )
    values = {
        "figure": number, "close": CLOSE_PERCENT, "exact": EXACT_PERCENT, "legend": PARTS,
        "parts_text": parts_text, "percent": signed_percent, "drawn": charts(FOUND),
        "draw": lambda chart: chart.title,
    }  # fmt: skip
    module = template.make_module(values)
    page = str(module.questions(FOUND))  # type: ignore[attr-defined]
    assert 'id="statements"' in page
    assert "calls of &lt;b&gt;" in page
    assert "-1.0 %" in page
    assert "delay -1.0 %" in page
    assert page.count("<details>") == 1
    assert "cannot answer: no plan" in page
    assert "595 s (of 600 s:" in str(module.window(FOUND))  # type: ignore[attr-defined]
    assert "Datadog" in str(module.summary(FOUND))  # type: ignore[attr-defined]
