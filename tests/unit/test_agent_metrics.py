"""Series and service checks become records: v1, v2 in JSON and in protobuf, and `postgres_connections`."""

import json
from collections.abc import Sequence

import pytest

from lab.foundation import clock
from lab.telemetry.intake import STREAMS, RejectedError
from lab.telemetry.intake.limits import MAX_RECORDS
from lab.telemetry.intake.protobuf import _classes
from lab.telemetry.store import MetricPoint, MetricSeries, MetricType, ServiceCheck, Source
from lab.telemetry.store.metric_values import Points, current, latest, points_of
from tests.fix_store import Store

NS = 1_000_000_000
AT = 1_795_861_036
TAGS = ["db:creditdb", "env:lab", "table:installments"]
NAME = "postgresql.rows_inserted"


def v1(name: str = NAME, value: object = 14.5, **more: object) -> bytes:
    series = {
        "metric": name, "points": [[AT, value]], "tags": TAGS, "host": "db", "type": "gauge",
        "interval": 15, **more,
    }  # fmt: skip
    return json.dumps({"series": [series]}).encode()


def v2(name: str = NAME, value: object = 14.5, **more: object) -> bytes:
    series = {
        "metric": name, "points": [{"timestamp": AT, "value": value}], "tags": TAGS, "type": 3,
        "interval": 15, "resources": [{"type": "host", "name": "db"}], **more,
    }  # fmt: skip
    return json.dumps({"series": [series]}).encode()


def protobuf(name: str = NAME, value: float = 14.5, *, at_s: int = AT, kind: int = 3) -> bytes:
    point = _classes["MetricPoint"](value=value, timestamp=at_s).SerializeToString()
    host = _classes["MetricResource"](type="host", name="db").SerializeToString()
    series = _classes["MetricSeries"](
        metric=name, points=[point], tags=TAGS, type=kind, interval=15, resources=[host]
    )
    body: bytes = _classes["MetricPayload"](series=[series.SerializeToString()]).SerializeToString()
    return body


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/series", v1()),
        ("/api/v2/series", v2()),
        ("/api/v2/series", v1()),
        ("/api/v2/series", protobuf()),
    ],
)
def test_a_series_is_equal_in_every_form(path: str, body: bytes) -> None:
    """Name, type, interval, host and tags are kept; the key is that of the same series in another form."""
    decoded = STREAMS[path].decode(body)
    series, point = decoded.records
    assert isinstance(series, MetricSeries)
    [same, _] = STREAMS["/api/v1/series"].decode(v1()).records
    assert series == same
    assert (series.name, series.host, series.type, series.interval_s, series.source) == (
        NAME, "db", MetricType.GAUGE, 15.0, Source.AGENT,
    )  # fmt: skip
    assert series.tags == tuple(sorted(TAGS))
    assert point == MetricPoint(series=series.key, at_ns=AT * NS, value=14.5)
    assert (decoded.items, decoded.metric_points) == (1, {NAME: 1})


@pytest.mark.parametrize(
    "body", [v1("system.cpu.user"), v2("system.cpu.user"), protobuf("system.cpu.user")]
)
def test_another_name_is_only_counted(body: bytes) -> None:
    decoded = STREAMS["/api/v2/series"].decode(body)
    assert (decoded.records, decoded.metric_points) == ([], {"system.cpu.user": 1})


@pytest.mark.parametrize(
    "body",
    [
        v1(value="x"),
        v1(points=[[1e12, 1.0]]),
        v1(interval=-1),
        v2(points=[{"timestamp": AT}]),
        v2(tags=["a:b"] * 1_001),
        protobuf(at_s=-1),
        b'{"series": 1}',
    ],
)
def test_what_is_no_series_is_refused(body: bytes) -> None:
    with pytest.raises(RejectedError) as caught:
        STREAMS["/api/v2/series"].decode(body)
    assert (caught.value.status, caught.value.reason) == (400, "malformed")


def test_a_series_of_too_many_points_is_refused_before_they_are_decoded() -> None:
    """Empty points take two bytes each in the body, and hundreds when decoded."""
    series = _classes["MetricSeries"](metric=NAME, points=[b""] * 20_001).SerializeToString()
    body = _classes["MetricPayload"](series=[series]).SerializeToString()
    with pytest.raises(RejectedError, match="more than 20000 points"):
        STREAMS["/api/v2/series"].decode(body)


def test_a_payload_holds_no_more_records_than_others() -> None:
    body = v1(points=[[AT, 1.0]] * MAX_RECORDS)
    with pytest.raises(RejectedError) as caught:
        STREAMS["/api/v1/series"].decode(body)
    assert caught.value.status == 413


def test_no_number_is_no_point() -> None:
    """SQLite would take NaN for NULL, and refuse the whole batch."""
    assert STREAMS["/api/v2/series"].decode(protobuf(value=float("nan"))).records == []


def test_personal_data_in_a_tag_is_not_kept() -> None:
    tags = ["db:creditdb", "app:Maria da Silva", "123.456.789-01:x", "maria.silva:x", "alone"]
    [series, _] = STREAMS["/api/v1/series"].decode(v1(tags=tags, host="joao.souza")).records
    assert isinstance(series, MetricSeries)
    app, db = series.tags
    assert (db, series.host[:9]) == ("db:creditdb", "redacted_")
    assert app.startswith("app:redacted_")


def test_the_embedded_agent_is_known_by_its_tag() -> None:
    [series, _] = STREAMS["/api/v2/series"].decode(v2(tags=[*TAGS, "agent:embedded"])).records
    assert isinstance(series, MetricSeries)
    assert (series.source, series.tags) == (Source.EMBEDDED, tuple(sorted(TAGS)))


def test_a_service_check_is_kept_without_its_message() -> None:
    run = {
        "check": "postgres.can_connect", "host_name": "db", "timestamp": AT, "status": 2,
        "message": "no route to Maria", "tags": ["db:creditdb"],
    }  # fmt: skip
    other = {"check": "datadog.agent.up", "status": 0}
    decoded = STREAMS["/api/v1/check_run"].decode(json.dumps([run, other]).encode())
    assert decoded.records == [
        ServiceCheck(
            at_ns=AT * NS, source=Source.AGENT, host="db", name="postgres.can_connect", status=2,
            tags=("db:creditdb",),
        )
    ]  # fmt: skip
    assert decoded.items == 2
    with pytest.raises(RejectedError):
        STREAMS["/api/v1/check_run"].decode(b'{"check": "postgres.can_connect", "status": 0}')


def connections(at_s: float, rows: Sequence[tuple[str, int]]) -> bytes:
    event = {
        "host": "db", "timestamp": at_s * 1000, "ddagentversion": "7.71.0", "dbm_type": "activity",
        "collection_interval": 10, "postgres_activity": [],
        "postgres_connections": [
            {"application_name": app, "state": "idle", "usename": "credit_app",
             "datname": "creditdb", "connections": count}
            for app, count in rows
        ],
    }  # fmt: skip
    return json.dumps([event]).encode()


def test_connections_are_those_of_the_newest_sample(store: Store) -> None:
    """A group of sessions that has ended counts no more; the tags are those of Datadog's own metric."""
    now_s = clock.now_ns() // NS - 60
    for at_s, rows in ((now_s, [("a", 3), ("drill", 52)]), (now_s + 10, [("a", 4)])):
        body = connections(at_s, rows)
        store.writer.commit(STREAMS["/api/v2/dbmactivity"].decode(body).records, timeout_s=60)
    found = points_of(
        store.reader, "postgresql.connections", since_ns=0, until_ns=2**62, tags=["user:credit_app"]
    )
    assert latest(found) == 4.0
    [one] = current(found)
    assert one.tags == {"app": "a", "db": "creditdb", "state": "idle", "user": "credit_app"}
    before = points_of(
        store.reader, "postgresql.connections", since_ns=0, until_ns=(now_s + 9) * NS
    )
    assert latest(before) == 55.0
    assert (
        points_of(
            store.reader, "postgresql.connections", since_ns=0, until_ns=2**62, tags=["user:x"]
        )
        == []
    )


def of_points(kind: MetricType, *points: tuple[float, float]) -> Points:
    series = MetricSeries(
        key=1,
        source=Source.AGENT,
        host="",
        name=NAME,
        type=kind,
        interval_s=15.0,
        tags=(),
        seen_ns=1,
    )
    return Points(series=series, points=tuple((round(at * NS), value) for at, value in points))


@pytest.mark.parametrize(
    ("kind", "per_second", "increase"),
    [
        (MetricType.COUNT, False, 6.0),
        # 15 s stated, 16 s and 15 s measured, and 15 s after a gap.
        (MetricType.RATE, False, 1 * 15 + 2 * 16 + 3 * 15),
        (MetricType.GAUGE, True, 1 * 15 + 2 * 16 + 3 * 15),
    ],
)
def test_an_increase_is_of_the_series_type(
    kind: MetricType, per_second: bool, increase: float
) -> None:
    found = of_points(kind, (100, 1.0), (116, 2.0), (300, 3.0))
    assert found.increase(per_second=per_second) == increase


def test_points_that_are_sent_again_count_once(store: Store) -> None:
    now_s = clock.now_ns() // NS - 60
    body = protobuf("postgresql.deadlocks.count", 2.0, at_s=now_s, kind=1)
    for _ in range(2):
        store.writer.commit(STREAMS["/api/v2/series"].decode(body).records, timeout_s=60)
    [found] = points_of(store.reader, "postgresql.deadlocks.count", since_ns=0, until_ns=2**62)
    assert found.increase(per_second=False) == 2.0
