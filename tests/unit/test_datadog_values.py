"""Answers of Datadog's API as values: samples, points, and the moments between which a counter grew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.compare.account import DatadogAccount
from lab.compare.received import Metric
from lab.compare.stages import Window
from lab.datadog.account import Account
from lab.datadog.api import Api, DatadogSeries, Sample, _sample, _series
from lab.datadog.definitions import Kind, identity_of
from lab.datadog.difference import Change, changes
from lab.foundation.paths import Paths
from lab.foundation.settings import DatadogSettings, LabSettings
from lab.telemetry.store import Bounds, Writer
from tests.fix_datadog import DatadogAccount as OnLoopback
from tests.fix_store import HOUR_NS, Tally

S = 1_000_000_000
NOW = 1_800_000_000
WINDOW = Window(since_ns=(NOW - 600) * S, now_ns=NOW * S)
SCOPE = "host:credit-lab-postgres"


@pytest.mark.parametrize(
    ("event", "sample"),
    [
        ({}, Sample(signature=None, plan=None, service=None, statement=None)),
        (
            {
                "custom": {
                    "db": {"query_signature": "a", "statement": "s", "plan": {"signature": "p"}}
                }
            },
            Sample(signature="a", plan="p", service=None, statement="s"),
        ),
        (
            {"custom": {"db": {"plan": "none"}, "service": "one"}, "service": "two"},
            Sample(signature=None, plan=None, service="one", statement=None),
        ),
        (
            {"service": "two", "tags": ["service:three"]},
            Sample(signature=None, plan=None, service="two", statement=None),
        ),
        (
            {"tags": [7, "env:lab", "service:three", "service:four"], "custom": None},
            Sample(signature=None, plan=None, service="three", statement=None),
        ),
    ],
)
def test_the_service_of_a_sample_is_its_own_before_that_of_its_tags(
    event: dict[str, Any], sample: Sample
) -> None:
    assert _sample(event) == sample


def test_a_series_has_seconds_and_no_missing_point() -> None:
    """A tag's value may contain a colon."""
    found = _series(
        {
            "tag_set": ["a:b:c", "host:x"], "interval": 20,
            "pointlist": [[1500, 1], [2500, None], [3000, 0.0]],
        }
    )  # fmt: skip
    assert found == DatadogSeries(
        tags={"a": "b:c", "host": "x"}, points=((1.5, 1.0), (3.0, 0.0)), interval_s=20.0
    )


@pytest.fixture
def side(tmp_path: Path, datadog: OnLoopback) -> Iterator[DatadogAccount]:
    settings = LabSettings(_env_file=None, lab_state_dir=tmp_path)
    with Writer(Paths.of(settings).store, Bounds(age_ns=HOUR_NS, size_bytes=10**9), Tally()):
        pass
    account = Account.of(DatadogSettings.load())
    assert account.api_url == datadog.url
    with Api(account) as api:
        yield DatadogAccount(settings, WINDOW, WINDOW, account, api)


def test_points_stand_for_the_interval_from_their_time_on(
    side: DatadogAccount, datadog: OnLoopback
) -> None:
    """Two series of a rate, whose sums are drawn; the moments are an interval wide."""
    first: list[tuple[float, float | None]] = [(NOW - 100, 1.0), (NOW - 80, 2.0), (NOW - 60, 3.0)]
    second: list[tuple[float, float | None]] = [(NOW - 80, 4.0), (NOW - 40, 5.0)]
    datadog.series = {
        f"sum:postgresql.commits{{{SCOPE}}}": [([], first), ([], second)],
        f"sum:postgresql.deadlocks.count{{{SCOPE}}}.as_count()": [([], first)],
        f"sum:postgresql.dead_rows{{{SCOPE}}}": [([], first), ([], second), ([], [])],
    }
    commits = side.counter(Metric(name="postgresql.commits", scale=2.0))
    assert commits
    # 15 a second for ten seconds each, twice as many in the question's unit.
    assert (commits.value, commits.raw) == (300.0, None)
    assert (commits.first.early_ns, commits.first.late_ns) == ((NOW - 110) * S, (NOW - 90) * S)
    assert (commits.last.early_ns, commits.last.late_ns) == ((NOW - 50) * S, (NOW - 30) * S)
    assert (commits.newest_ns, commits.resolution_s) == ((NOW - 30) * S, 20.0)
    assert commits.points == (
        ((NOW - 100) * S, 2.0), ((NOW - 80) * S, 12.0), ((NOW - 60) * S, 6.0), ((NOW - 40) * S, 10.0),
    )  # fmt: skip
    deadlocks = side.counter(Metric(name="postgresql.deadlocks.count"))
    assert deadlocks
    assert deadlocks.value == 6.0
    assert deadlocks.points[0] == ((NOW - 100) * S, 0.1)
    dead = side.gauge(Metric(name="postgresql.dead_rows", scale=10.0))
    assert dead
    answer, moment = dead
    # Only the series with the newest point is current.
    assert (answer.value, answer.age_s, answer.resolution_s) == (50.0, 30.0, 10.0)
    assert (moment.early_ns, moment.late_ns) == ((NOW - 40) * S, (NOW - 30) * S)
    values = side.values(Metric(name="postgresql.dead_rows"))
    assert values[1] == ((NOW - 80) * S, 6.0)


def test_operations_without_an_error_have_none(side: DatadogAccount, datadog: OnLoopback) -> None:
    """There is no series of errors then; without any operation nothing is known."""
    points: list[tuple[float, float | None]] = [(NOW - 40, 3.0), (NOW - 20, 4.0)]
    name = "trace.credit.operation.hits{service:credit-risk}"
    datadog.series = {
        f"sum:{name}.as_count()": [([], points)],
        "sum:trace.postgres.query.hits{*}.as_count()": [([], points)],
        "avg:trace.credit.operation{service:a OR service:b}": [
            ([], [(NOW - 40, 0.1)]), ([], [(NOW - 40, 0.3)]),
        ],
    }  # fmt: skip
    errors = side.operations("credit-risk", errors=True)
    assert errors
    assert (errors.value, errors.raw, errors.newest_ns) == (0.0, None, (NOW - 10) * S)
    assert side.operations("credit-customers", errors=True) is None
    statements = side.statements()
    assert statements
    assert statements.value == 7.0
    assert side.mean_ms(["a", "b"]) == pytest.approx(200.0)
    assert side.mean_ms(["c"]) is None


def test_the_identity_of_an_object_is_in_its_tags_or_its_description() -> None:
    """A whole tag; the first in a description. An object of another project has none."""
    assert (
        identity_of(Kind.MONITOR, {"tags": ["a", "credit-lab:x", "credit-lab:y"]}) == "credit-lab:x"
    )
    assert identity_of(Kind.MONITOR, {"tags": ["my credit-lab:x"]}) is None
    assert identity_of(Kind.MONITOR, {"tags": None}) is None
    text = "Of the lab (credit-lab:a_b-1), not credit-lab:c."
    assert identity_of(Kind.DASHBOARD, {"description": text}) == "credit-lab:a_b-1"
    assert identity_of(Kind.DASHBOARD, {"description": None}) is None


def test_a_difference_names_the_field_with_both_values() -> None:
    """In nested lists by their number; fields that Datadog adds are none."""
    ours = {"widgets": [{"title": "a"}, {"title": "b"}], "name": "x", "tags": ["B", "a"]}
    stored = {"widgets": [{"title": "a", "id": 1}, {"title": "c"}], "name": "x", "tags": ["a", "b"]}
    assert changes(ours, stored) == (Change(field="widgets[1].title", stored="c", ours="b"),)
    assert changes({"a": [1, 2]}, {"a": [1]}) == (Change(field="a", stored=[1], ours=[1, 2]),)
    assert changes({"a": "xy"}, {"a": "xz"}) == (Change(field="a", stored="xz", ours="xy"),)
    assert changes({"type": "query alert"}, {"type": "event alert"}) != ()
