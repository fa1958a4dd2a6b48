"""The sampler of ground truth on a real PostgreSQL: exact counters, each source missing on its own."""

from pathlib import Path

import pytest

from lab.clients.database import Role, rows
from lab.foundation.settings import LabSettings
from lab.telemetry.truth import COLUMNS, Sampler, decoded
from tests.fix_postgres import Database, free_port
from workload.statements import STATEMENTS


class Counted:
    """Keeps what the sampler reports."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def truth_read(self, seconds: float, payload_bytes: int) -> None:
        """Accept."""

    def truth_failed(self, source: str) -> None:
        """Keep the name of a source."""
        self.failed.append(source)


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> LabSettings:
    ports = ("proposals", "underwriting", "customers", "servicing", "risk")
    update = {f"{name}_port": free_port() for name in ports}
    return database.settings.model_copy(update={"lab_state_dir": tmp_path, **update})


def test_a_reading_has_the_counters_of_postgres(database: Database, settings: LabSettings) -> None:
    """Calls of a statement of credit_app are exact; services that do not answer are missing and counted."""
    counted = Counted()
    sampler = Sampler(settings, bool, counted)
    with database.connect(Role.LAB) as connection, database.connect(Role.APP) as application:
        rows(application, STATEMENTS["applicant"].sql, {"customer_id": 1})
        before = decoded(sampler.read(connection)[0])
        for _ in range(17):
            rows(application, STATEMENTS["applicant"].sql, {"customer_id": 1})
        first = decoded(sampler.read(connection)[0])
        [[queryid]] = rows(
            connection,
            "SELECT queryid::text FROM pg_stat_statements WHERE query LIKE '%statement=''applicant''%'"
            " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
    calls = [reading.value("statement", queryid, "calls") for reading in (before, first)]
    assert calls == [1.0, 18.0]
    assert before.begin_ns < before.end_ns < first.begin_ns
    assert set(counted.failed) == {"proposals", "underwriting", "customers", "servicing", "risk"}
    # A service that did not answer is not asked at once again.
    assert len(counted.failed) == 5
    for kind, columns in COLUMNS.items():
        found = before.values.get(kind, {})
        assert kind == "clock" or found, kind
        assert all(len(values) == len(columns) for values in found.values()), kind
    assert (before.value("size", "", "bytes") or 0) > 1e6
    assert first.value("size", "", "bytes") is None
    assert (before.value("sessions", "", "clients") or 0) >= 2


def test_sizes_and_buckets_are_read_with_each_tenth_reading(
    database: Database, settings: LabSettings
) -> None:
    """They cost more than the counters; the first reading has them."""
    sampler = Sampler(settings, bool, Counted())
    with database.connect(Role.LAB) as connection:
        found = [sampler.read(connection) for _ in range(11)]
    assert [[one.kind for one in records] for records in found] == [
        ["counters", "buckets"], *[["counters"]] * 9, ["counters", "buckets"],
    ]  # fmt: skip
    assert ["size" in decoded(records[0]).values for records in found] == [True, *[False] * 9, True]
    assert all(one.took_ns > 0 for records in found for one in records)


def test_a_service_that_did_not_answer_is_asked_again_after_five_seconds(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, now = Counted(), [100.0]
    sampler = Sampler(settings, bool, counted)
    monkeypatch.setattr("lab.telemetry.truth.sampler.time.monotonic", lambda: now[0])
    failed = []
    for seconds in (100.0, 104.9, 105.0):
        now[0] = seconds
        assert sampler._clocks(buckets=False) == {}
        failed.append(len(counted.failed))
    assert failed == [5, 5, 10]
