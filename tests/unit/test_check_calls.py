"""The Agent's part for Datadog's check: values of its runs as points, its events, its calls and answers."""

import json
from collections.abc import Sequence
from io import StringIO
from typing import Any

import pytest

from lab.foundation import clock
from lab.telemetry.check.aggregation import FORGOTTEN_AFTER, Aggregation
from lab.telemetry.check.bridge import Bridge, CheckFailedError, configuration

AT_S = 1_000.5


def run(
    aggregation: Aggregation,
    *values: tuple[str, float],
    at_s: float = AT_S,
    first: bool = False,
    tags: Sequence[str] = ("b:2", "a:1"),
) -> list[Any]:
    """Add values of the kinds to series of one name, and return the points of the run."""
    for kind, value in values:
        assert aggregation.add(
            kind, "postgresql.x", value, tags=tags, host="h", first=first, at_s=at_s
        )
    return list(aggregation.commit(at_s))


def points(found: list[Any]) -> list[tuple[int, float]]:
    return [(one["type"], one["points"][0]["value"]) for one in found]


def test_a_series_has_the_form_of_the_api() -> None:
    [found] = run(Aggregation(tags=["agent:check"]), ("gauge", 7.0))
    assert found == {
        "metric": "postgresql.x", "type": 3, "points": [{"timestamp": 1_000, "value": 7.0}],
        "interval": 15, "tags": ["a:1", "b:2", "agent:check"],
        "resources": [{"type": "host", "name": "h"}],
    }  # fmt: skip


def test_counts_of_a_run_add_up_and_begin_again() -> None:
    """A gauge is its last value; a series without a value in a run has no point."""
    aggregation = Aggregation(tags=[])
    assert points(run(aggregation, ("count", 2.0), ("count", 3.0))) == [(1, 5.0)]
    assert points(run(aggregation, ("gauge", 2.0), ("gauge", 3.0))) == [(3, 3.0)]
    assert points(run(aggregation, ("count", 4.0))) == [(1, 4.0)]


def test_a_monotonic_count_is_the_growth_since_its_last_value() -> None:
    """Its first value counts from zero only when the check says so, as does the one after a reset."""
    kind = "monotonic_count"
    aggregation = Aggregation(tags=[])
    assert run(aggregation, (kind, 5.0)) == []
    assert points(run(aggregation, (kind, 8.0), (kind, 9.0))) == [(1, 4.0)]
    assert points(run(aggregation, (kind, 9.0))) == [(1, 0.0)]
    assert points(run(aggregation, (kind, 2.0))) == [(1, 0.0)]
    assert points(run(aggregation, (kind, 6.0))) == [(1, 4.0)]
    assert points(run(aggregation, (kind, 3.0), first=True)) == [(1, 3.0)]
    assert points(run(Aggregation(tags=[]), (kind, 5.0), first=True)) == [(1, 5.0)]


def test_a_rate_is_the_growth_per_second_since_the_last_value() -> None:
    aggregation = Aggregation(tags=[])
    assert run(aggregation, ("rate", 10.0), at_s=10.0) == []
    assert points(run(aggregation, ("rate", 40.0), at_s=25.0)) == [(3, 2.0)]
    assert points(run(aggregation, ("rate", 40.0), at_s=40.0)) == [(3, 0.0)]
    assert run(aggregation, ("rate", 39.0), at_s=55.0) == []


def test_series_differ_by_kind_and_by_tags_in_any_order() -> None:
    aggregation = Aggregation(tags=[])
    run(aggregation, ("monotonic_count", 5.0))
    again = run(aggregation, ("monotonic_count", 6.0), ("gauge", 1.0), tags=("a:1", "b:2"))
    assert sorted(points(again)) == [(1, 1.0), (3, 1.0)]
    assert run(aggregation, ("monotonic_count", 9.0), tags=("a:2",)) == []


def test_a_series_that_is_not_sent_for_ten_runs_is_forgotten() -> None:
    """Its next value is a first one; after nine runs it still counts from its last."""
    kind = "monotonic_count"
    for pauses, found in ((FORGOTTEN_AFTER - 1, [(1, 4.0)]), (FORGOTTEN_AFTER, [])):
        aggregation = Aggregation(tags=[])
        run(aggregation, (kind, 5.0))
        for _ in range(pauses):
            assert run(aggregation) == []
        assert points(run(aggregation, (kind, 9.0))) == found


def test_other_kinds_are_not_sent() -> None:
    aggregation = Aggregation(tags=[])
    assert not aggregation.add("histogram", "x", 1.0, tags=(), host="h", first=False, at_s=AT_S)
    assert list(aggregation.commit(AT_S)) == []


class _Lab:
    """Receives what a bridge passes on."""

    def __init__(self, *calls: dict[str, Any]) -> None:
        self.sent: list[tuple[str, list[Any]]] = []
        self.runs: list[str] = []
        self.ignored = 0
        self._answers = StringIO()
        self._calls = StringIO("".join(json.dumps(call) + "\n" for call in calls))

    def serve(self) -> "_Lab":
        Bridge(
            calls=self._calls,
            answers=self._answers,
            put=lambda path, events: self.sent.append((path, events)),
            tags=("agent:check",),
            ran=self.runs.append,
            ignored=self._ignore,
        ).serve("instances: []", hostname="db", interval_s=15)
        return self

    def _ignore(self) -> None:
        self.ignored += 1

    @property
    def answers(self) -> list[Any]:
        return [json.loads(line) for line in self._answers.getvalue().splitlines()]


def metric(kind: str) -> dict[str, Any]:
    return {
        "call": "metric", "kind": kind, "name": "postgresql.commits", "value": 1.0, "tags": ["db:d"],
        "host": "db", "first": False,
    }  # fmt: skip


def test_a_run_is_sent_with_its_metrics_and_its_checks() -> None:
    """A service check at once, the series at the end of the run; unknown kinds and tracks are counted."""
    check = {"call": "service_check", "name": "postgres.can_connect", "status": 2, "tags": ["x:y"],
             "host": "db"}  # fmt: skip
    event = {"call": "event", "track": "dbm-unknown", "event": "{}"}
    with clock.replaced(lambda: 1_000_700_000_000):
        lab = _Lab(
            metric("gauge"), metric("histogram"), event, check, {"call": "ran", "error": "no route"}
        ).serve()
    assert lab.answers == [{"config": "instances: []", "hostname": "db", "interval_s": 15}]
    assert (lab.runs, lab.ignored) == (["no route"], 2)
    (checks, [sent]), (series, [found]) = lab.sent
    assert (checks, series) == ("/api/v1/check_run", "/api/v2/series")
    assert sent == {
        "check": "postgres.can_connect", "host_name": "db", "timestamp": 1_000, "status": 2,
        "message": "", "tags": ["x:y", "agent:check"],
    }  # fmt: skip
    assert (found["metric"], found["points"]) == (
        "postgresql.commits",
        [{"timestamp": 1_000, "value": 1.0}],
    )


@pytest.mark.parametrize(
    ("track", "path"),
    [
        ("dbm-samples", "/api/v2/databasequery"), ("dbm-metrics", "/api/v2/dbmmetrics"),
        ("dbm-activity", "/api/v2/dbmactivity"), ("dbm-metadata", "/api/v2/dbmmetadata"),
        ("dbm-health", "/api/v2/dbmhealth"),
    ],
)  # fmt: skip
def test_events_have_the_check_as_their_version(track: str, path: str) -> None:
    """In the field that an event has; by it the intake knows the sender."""
    events = [
        {"call": "event", "track": track, "event": json.dumps(each)}
        for each in ({"ddagentversion": "7.71.0"}, {"agent_version": "7.71.0"}, {"a": 1})
    ]
    assert _Lab(*events).serve().sent == [
        (path, [{"ddagentversion": "check"}]), (path, [{"agent_version": "check"}]), (path, [{"a": 1}]),
    ]  # fmt: skip


def test_statements_and_plans_are_answered_without_literals() -> None:
    """A plan that cannot be read is answered with the reason, so that the check goes on."""
    plan = json.dumps({"Plan": {"Node Type": "Seq Scan", "Filter": "(cpf = '39053344705')"}})
    text = "SELECT 1 /*service='credit-risk',statement='pay'*/"
    _, statement, definition, shape, failed = (
        _Lab(
            {"call": "obfuscate_sql", "text": text},
            {"call": "obfuscate_plan", "text": plan, "normalize": False},
            {"call": "obfuscate_plan", "text": plan, "normalize": True},
            {"call": "obfuscate_plan", "text": "[]", "normalize": False},
        )
        .serve()
        .answers
    )
    found = json.loads(statement["value"])
    assert found["query"] == "SELECT ?"
    assert found["metadata"] == {
        "tables_csv": "", "commands": [], "procedures": [],
        "comments": ["/*service='credit-risk',statement='pay'*/"],
    }  # fmt: skip
    assert json.loads(definition["value"])["Plan"]["Filter"] == "(cpf = ?)"
    assert list(json.loads(shape["value"])) == ["shape"]
    assert failed == {"error": 'an object with "Plan" was expected'}


def test_a_check_that_cannot_be_made_ends_with_its_reason() -> None:
    with pytest.raises(CheckFailedError, match="cannot be loaded: ImportError: psycopg"):
        _Lab({"call": "failed", "message": "ImportError: psycopg"}).serve()


def test_a_configuration_has_the_port_and_no_comments() -> None:
    """A variable is written inside double quotes; a missing one is named."""
    text = '# port: 5432, %%env_NONE%%\n  # %%env_NONE%%\nport: 5432\npassword: "%%env_PASS%%"'
    found = configuration(text, {"PASS": 'a"b\\'}, port=6000)
    assert found == 'port: 6000\npassword: "a\\"b\\\\"'
    with pytest.raises(CheckFailedError, match="needs the variable PASS, which is not set"):
        configuration(text, {}, port=6000)
