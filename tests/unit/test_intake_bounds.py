"""Bounds of what the intake decodes: times, ids, types, numbers and lengths, each from both sides."""

import json
from typing import Any

import pytest

from lab.telemetry import redact
from lab.telemetry.intake import STREAMS, RejectedError
from lab.telemetry.intake.dbm_records import nanoseconds
from lab.telemetry.store import (
    ActivitySample,
    MetricPoint,
    MetricSeries,
    MetricType,
    QueryMetrics,
    Record,
    ServiceCheck,
    Snapshot,
    Source,
    Statement,
)

AT_S = 1_795_861_036
NAME = "postgresql.commits"


def decode(path: str, document: object) -> list[Record]:
    return list(STREAMS[path].decode(json.dumps(document).encode()).records)


def status(path: str, document: object) -> int:
    """The status of the answer: 200, or that of a refusal."""
    try:
        decode(path, document)
    except RejectedError as refused:
        return refused.status
    return 200


def series(**fields: object) -> dict[str, Any]:
    return {"series": [{"metric": NAME, "points": [[AT_S, 1.0]], **fields}]}


@pytest.mark.parametrize(
    ("stated", "kind"),
    [
        (1, MetricType.COUNT), (2, MetricType.RATE), (3, MetricType.GAUGE), (0, MetricType.GAUGE),
        (4, MetricType.GAUGE), (None, MetricType.GAUGE), ("count", MetricType.COUNT),
        ("rate", MetricType.RATE), ("x", MetricType.GAUGE),
    ],
)  # fmt: skip
def test_the_type_of_a_series_is_its_number_or_its_name(stated: object, kind: MetricType) -> None:
    found = decode("/api/v2/series", series(type=stated))[0]
    assert isinstance(found, MetricSeries)
    assert (found.type, found.interval_s) == (kind, None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"points": [[0, 1.0]]}, 400), ({"points": [[0.001, 1.0]]}, 200),
        ({"points": [[7.3e9, 1.0]]}, 400), ({"points": [[7.29e9, 1.0]]}, 200),
        ({"interval": -1}, 400), ({"interval": 0}, 200), ({"interval": 1e9}, 400),
        ({"interval": 9e8}, 200), ({"tags": ["a:b"] * 1_000}, 200), ({"tags": ["a:b"] * 1_001}, 400),
        ({"points": "x"}, 400),
    ],
)  # fmt: skip
def test_a_series_within_its_bounds(fields: dict[str, object], expected: int) -> None:
    assert status("/api/v1/series", series(**fields)) == expected


def test_a_series_has_sorted_tags_with_a_key() -> None:
    """A key is short and lower-case, and no name of a person; a tag twice counts once."""
    tags = [
        "z:1", "a:2", "a:2", "none", "Upper:1", "x" * 40 + ":1", "x" * 41 + ":1", "maria_silva:1",
        "agent:embedded", "url:a:b",
    ]  # fmt: skip
    found = decode("/api/v1/series", series(tags=tags, host="db", interval=15))
    one = found[0]
    assert isinstance(one, MetricSeries)
    assert one.tags == ("a:2", "url:a:b", "x" * 40 + ":1", "z:1")
    assert (one.source, one.host, one.interval_s) == (Source.EMBEDDED, "db", 15.0)
    # Its key is that of all fields but the time, in any order of the tags.
    again = decode("/api/v1/series", series(tags=tags[::-1], host="db", interval=15))[0]
    other = decode("/api/v1/series", series(tags=tags, host="dc", interval=15))[0]
    assert isinstance(again, MetricSeries)
    assert isinstance(other, MetricSeries)
    assert again.key == one.key != other.key


def test_the_newest_finite_point_is_the_time_of_a_series() -> None:
    points = [[AT_S + 5, 1.0], [AT_S + 9, 2.0], [AT_S, 3.0]]
    found, *rest = decode("/api/v1/series", series(points=points))
    assert isinstance(found, MetricSeries)
    assert found.seen_ns == (AT_S + 9) * 10**9
    assert [p.value for p in rest if isinstance(p, MetricPoint)] == [1.0, 2.0, 3.0]
    resources = [{"type": "device", "name": "x"}, {"type": "host", "name": "y"}]
    of_host = decode("/api/v2/series", series(resources=resources))[0]
    assert isinstance(of_host, MetricSeries)
    assert of_host.host == "y"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({}, 3), ({"status": 0}, 0), ({"status": 3}, 3), ({"status": 4}, None), ({"status": -1}, None)],
)  # fmt: skip
def test_a_service_check_has_one_of_four_states(
    fields: dict[str, object], expected: int | None
) -> None:
    """Without one it is unknown; a check without a time is refused, an empty list is not."""
    run = {"check": "postgres.can_connect", "timestamp": AT_S, "host_name": "db", **fields}
    if expected is None:
        assert status("/api/v1/check_run", [run]) == 400
    else:
        [found] = decode("/api/v1/check_run", run)
        assert isinstance(found, ServiceCheck)
        assert (found.status, found.at_ns, found.host) == (expected, AT_S * 10**9, "db")
    assert status("/api/v1/check_run", [{"check": "postgres.can_connect"}]) == 400
    assert decode("/api/v1/check_run", [{"check": "other"}]) == []
    assert STREAMS["/api/v1/check_run"].decode(b"[]").items == 1


def activity(**row: object) -> dict[str, Any]:
    return {"timestamp": AT_S * 1_000, "postgres_activity": [{"pid": 7, **row}]}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"pid": 0}, 200), ({"pid": -1}, 400), ({"pid": 2**31 - 1}, 200), ({"pid": 2**31}, 400),
        ({"query_id": -(2**63)}, 200), ({"query_id": 2**63}, 400), ({"query_id": 2**63 - 1}, 200),
        ({"blocking_pids": [1] * 1_000}, 200), ({"blocking_pids": [1] * 1_001}, 400),
        ({"query_start": "1970-12-31T00:00:00+00:00"}, 400),
        ({"query_start": "1971-01-01T00:00:00+00:00"}, 200),
        ({"query_start": "2200-12-31T00:00:00+00:00"}, 200),
        ({"query_start": "2201-01-01T00:00:00+00:00"}, 400),
    ],
)  # fmt: skip
def test_a_session_within_its_bounds(row: dict[str, object], expected: int) -> None:
    assert status("/api/v2/dbmactivity", activity(**row)) == expected


def test_a_time_without_a_zone_is_no_time() -> None:
    """It would be read as local time."""
    found = decode(
        "/api/v2/dbmactivity",
        activity(query_start="2026-11-28T10:00:00", xact_start="2026-11-28T10:00:00.25+00:00"),
    )[1]
    assert isinstance(found, ActivitySample)
    assert (found.query_start_ns, found.xact_start_ns) == (None, 1_795_860_000_250_000_000)


@pytest.mark.parametrize(
    ("signature", "stays"),
    [
        ("a1b2c3d4e5f6071", True), ("-a1b2c3d4e5f60718", True), ("123456789012345", False), ("a1b2c3", True),
        ("a123456789", False), ("1234567", True), ("12345678", False),
    ],
)  # fmt: skip
def test_a_signature_is_long_and_has_a_letter(signature: str, stays: bool) -> None:
    """A shorter one, or one of digits, is a name: it may be a personal number."""
    found = decode("/api/v2/dbmactivity", activity(query_signature=signature))[1]
    assert isinstance(found, ActivitySample)
    assert found.signature == (signature if stays else redact.hashed(signature))


@pytest.mark.parametrize("signature", ["", "x1b2c3d4e5f60718", "a" * 33, None])
def test_what_is_no_signature_is_none(signature: str | None) -> None:
    found = decode("/api/v2/dbmactivity", activity(query_signature=signature))[1]
    assert isinstance(found, ActivitySample)
    assert found.signature is None


def metrics(**row: object) -> dict[str, Any]:
    known = {"query_signature": "a1b2c3d4e5f60718", "query": "SELECT 1"}
    return {"timestamp": AT_S * 1_000, "postgres_rows": [{**known, **row}]}


@pytest.mark.parametrize(
    ("row", "read_ms", "write_ms"),
    [
        ({"blk_read_time": 1.0, "blk_write_time": 2.0, "shared_blk_read_time": 9.0}, 1.0, 2.0),
        ({"shared_blk_read_time": 1.0, "local_blk_read_time": 2.0}, 3.0, 0.0),
        ({"shared_blk_write_time": 4.0, "local_blk_write_time": 5.0}, 0.0, 9.0),
    ],
)
def test_times_of_blocks_are_those_of_any_version(
    row: dict[str, object], read_ms: float, write_ms: float
) -> None:
    """PostgreSQL 17 has them by kind of buffer; bytes of the write-ahead log are rounded."""
    [found] = decode("/api/v2/dbmmetrics", metrics(**row, wal_bytes=10.6))
    assert isinstance(found, QueryMetrics)
    assert (found.blk_read_time_ms, found.blk_write_time_ms) == (read_ms, write_ms)
    assert (found.wal_bytes, found.calls, found.exec_time_ms) == (11, 0, 0.0)
    assert found.at_ns == AT_S * 10**9


@pytest.mark.parametrize(
    ("version", "signature"),
    [("embedded", None), ("7.71.0", "a1b2c3d4e5f60718"), ("check", "a1b2c3d4e5f60718")],
)
def test_a_statement_of_the_embedded_agent_has_no_signature(
    version: str, signature: str | None
) -> None:
    """All its events have the queryid; a statement without both is not stored."""
    event = {**metrics(queryid=5), "ddagentversion": version}
    statement, found = decode("/api/v2/dbmmetrics", [event])
    assert isinstance(statement, Statement)
    assert (statement.key, statement.queryid, statement.signature) == ("5", 5, signature)
    assert isinstance(found, QueryMetrics)
    assert found.signature == "a1b2c3d4e5f60718"
    samples = [{"timestamp": 1.0, "dbm_type": "fqt", "db": {"statement": "SELECT 1"}}]
    assert decode("/api/v2/databasequery", samples) == []


def test_milliseconds_are_rounded_to_microseconds() -> None:
    assert nanoseconds(1_795_861_036_123.4567) == 1_795_861_036_123_457_000


def settings(**values: object) -> dict[str, object]:
    rows = [{"name": name, "setting": value} for name, value in values.items()]
    document = {"timestamp": AT_S * 1_000, "kind": "pg_settings", "host": "db", "metadata": rows}
    [found] = decode("/api/v2/dbmmetadata", [document])
    assert isinstance(found, Snapshot)
    assert (found.host, found.at_ns) == ("db", AT_S * 10**9)
    kept: dict[str, object] = json.loads(found.payload)
    return kept


def test_settings_are_numbers_and_harmless_names() -> None:
    """Numbers have 32 bits; a free text is no number, and a secret has no value."""
    numbers = {"a": "2147483647", "b": "-2147483647", "c": "0.5"}
    assert settings(**numbers) == numbers
    assert settings(d="2147483648") == {"d": redact.hashed("2147483648")}
    assert settings(e="39053344705") == {"e": redact.hashed("39053344705")}
    assert settings(cluster_name="390533447") == {"cluster_name": redact.hashed("390533447")}
    assert settings(search_path='"$user", public') == {"search_path": '"$user", public'}
    assert settings(primary_conninfo="x", archive_command="y", ssl_key_file="z") == {
        "primary_conninfo": "?", "archive_command": "?", "ssl_key_file": "?",
    }  # fmt: skip
    assert settings(f=None) == {"f": None}


def test_metadata_is_refused_below_twenty_levels() -> None:
    def nested(levels: int) -> object:
        value: object = 1
        for _ in range(levels):
            value = [value]
        document = {
            "timestamp": 1.0,
            "kind": "pg_settings",
            "metadata": [{"name": "a", "setting": value}],
        }
        return [document]

    assert status("/api/v2/dbmmetadata", nested(20)) == 200
    assert status("/api/v2/dbmmetadata", nested(21)) == 400
