"""The embedded agent's process: its intervals, its tags, and the service check while PostgreSQL is away."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from lab.foundation.settings import LabSettings
from lab.telemetry.embedded.__main__ import COLLECTORS, Agent, tags_of
from lab.telemetry.embedded.delivery import SERVICE_CHECKS, Schedule
from tests.fix_postgres import free_port


def agent(activity_s: int = 10) -> tuple[Agent, CollectorRegistry]:
    registry = CollectorRegistry()
    settings = LabSettings(
        _env_file=None, embedded_agent_activity_seconds=activity_s, console_port=free_port(),
        dd_env="prod", postgres_port=5_433, postgres_db="creditdb",
    )  # fmt: skip
    return Agent(settings, registry), registry


@pytest.mark.parametrize(
    ("activity_s", "schedule"),
    [
        (10, Schedule(events_s=5, series_s=15)), (300, Schedule(events_s=5, series_s=15)),
        (9, Schedule(events_s=5, series_s=9)), (1, Schedule(events_s=1, series_s=1)),
    ],
)  # fmt: skip
def test_data_that_is_collected_faster_is_sent_faster(activity_s: int, schedule: Schedule) -> None:
    """At the Agent's default interval and above the batches are the Agent's."""
    assert agent(activity_s)[0]._schedule == schedule


def test_collections_have_the_intervals_of_the_check() -> None:
    assert COLLECTORS == {"metadata": 600, "check_metrics": 15, "statements": 10, "sessions": 1}
    names = {
        sample.labels["collector"]
        for family in agent()[1].collect()
        for sample in family.samples
        if sample.name in {"lab_embedded_failures_total", "lab_embedded_rows_skipped_total"}
    }
    assert names == {"connection", *COLLECTORS}


def runs(found: Agent) -> list[Any]:
    return found._delivery._open.get(SERVICE_CHECKS, [])


def test_without_a_connection_the_service_check_is_critical_every_fifteen_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has the tags of the check, and the database."""
    now = [0.0]
    monkeypatch.setattr("lab.telemetry.embedded.__main__.time.monotonic", lambda: now[0])
    found, _ = agent()
    counts = []
    for seconds in (0.0, 14.9, 15.0, 16.0, 30.0):
        now[0] = seconds
        found._report_no_connection()
        counts.append(len(runs(found)))
    assert counts == [1, 1, 2, 2, 3]
    run = runs(found)[0]
    assert (run["check"], run["status"], run["host_name"]) == (
        "postgres.can_connect", 2, "credit-lab-postgres",
    )  # fmt: skip
    assert run["tags"] == [
        "agent:embedded", "service:credit-postgres", "database_instance:credit-lab-postgres", "env:prod",
        "port:5433", "db:creditdb",
    ]  # fmt: skip


def test_activity_is_due_to_half_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples are taken each second, not exactly."""
    now = [100.0]
    monkeypatch.setattr("lab.telemetry.embedded.collector.time.monotonic", lambda: now[0])
    collector = agent()[0]._collector
    due = []
    for seconds in (100.0, 109.5, 109.6, 119.0, 119.2):
        now[0] = seconds
        due.append(collector._is_activity_due())
    assert due == [True, False, True, False, True]


def test_all_series_have_the_tags_of_the_check() -> None:
    settings = LabSettings(_env_file=None, dd_env="lab", postgres_port=1)
    assert tags_of(settings) == ("database_instance:credit-lab-postgres", "env:lab", "port:1")


def test_a_row_that_cannot_be_decoded_does_not_lose_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is counted by its collector; its content is not printed."""
    collector = agent()[0]._collector
    skipped: list[str] = []
    collector.skipped = skipped.append
    found = list(collector._readable("sessions", ["1", "39053344705x", "3"], int))
    assert found == [("1", 1), ("3", 3)]
    assert skipped == ["sessions"]
    assert capsys.readouterr().err == "embedded agent: sessions: a row: ValueError\n"
