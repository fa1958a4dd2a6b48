"""Decodes series (v1 and v2 JSON, v2 protobuf) and service checks; stores those of metric_names.py.

Points of other names are counted and not decoded. A point that is not a finite number is left out.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from lab.foundation.timestamps import NS_PER_S
from lab.telemetry import redact
from lab.telemetry.intake.decoded import Decoded
from lab.telemetry.intake.errors import collected, decoding, malformed, require_few_elements
from lab.telemetry.intake.limits import MAX_ROWS, MAX_TAGS
from lab.telemetry.intake.metric_names import KEPT_METRICS, KEPT_SERVICE_CHECKS
from lab.telemetry.intake.protobuf import message
from lab.telemetry.store import (
    MetricPoint,
    MetricSeries,
    MetricType,
    Record,
    ServiceCheck,
    Source,
)

# The numbers of types in the v2 API; v1 has their names.
TYPES = {1: MetricType.COUNT, 2: MetricType.RATE, 3: MetricType.GAUGE}
# Tags of the substitutes' series, which are not stored: a series has no field for the Agent's version.
SUBSTITUTE_TAGS = {f"agent:{source}": source for source in (Source.EMBEDDED, Source.CHECK)}
TAG_KEY = re.compile(r"[a-z_][a-z_./-]{0,39}")
# Seconds of the year 2200: in nanoseconds they fit in 64 bits.
LAST_S = 7.3e9
LONGEST_S = 1e9
Seconds: TypeAlias = Annotated[float, Meta(gt=0, lt=LAST_S)]
Interval: TypeAlias = Annotated[float, Meta(ge=0, lt=LONGEST_S)]
Tags: TypeAlias = Annotated[list[str], Meta(max_length=MAX_TAGS)]
_Rows: TypeAlias = Annotated[list[msgspec.Raw], Meta(max_length=MAX_ROWS)]


class _Resource(msgspec.Struct):
    type: str = ""
    name: str = ""


class _PointV2(msgspec.Struct):
    timestamp: Seconds
    value: float


class _Series(msgspec.Struct):
    """One series of v1 (`host`, points as pairs, the type's name) or v2 (`resources`, objects, a number)."""

    metric: str
    points: _Rows = []
    type: int | str | None = None
    interval: Interval | None = None
    tags: Tags | None = None
    host: str | None = None
    resources: Annotated[list[_Resource], Meta(max_length=MAX_TAGS)] | None = None


class _Payload(msgspec.Struct):
    series: _Rows


class _Check(msgspec.Struct):
    check: str = ""
    host_name: str | None = None
    timestamp: Seconds | None = None
    status: Annotated[int, Meta(ge=0, le=3)] = 3
    tags: Tags | None = None


_payload = msgspec.json.Decoder(_Payload)
_series = msgspec.json.Decoder(_Series)
_point = msgspec.json.Decoder(_PointV2 | tuple[Seconds, float])
_runs = msgspec.json.Decoder(Annotated[list[_Check], Meta(max_length=MAX_ROWS)] | _Check | None)


def series_in_json(body: bytes) -> Decoded:
    """Decode series of /api/v1/series, or of /api/v2/series in JSON.

    Raises:
        RejectedError: when the body cannot be decoded.
    """
    require_few_elements(body)
    points: Counter[str] = Counter()
    with decoding("series in JSON"):
        encoded = _payload.decode(body).series
        records = collected(_of_json(encoded, points))
    return Decoded(records=records, items=len(encoded), metric_points=points)


def series_in_protobuf(body: bytes) -> Decoded:
    """Decode a MetricPayload.

    Raises:
        RejectedError: when it cannot be decoded.
    """
    encoded = message("MetricPayload", body).series
    if len(encoded) > MAX_ROWS:
        raise malformed(f"more than {MAX_ROWS} series")
    points: Counter[str] = Counter()
    records = collected(_of_protobuf(encoded, points))
    return Decoded(records=records, items=len(encoded), metric_points=points)


def service_checks(body: bytes) -> Decoded:
    """Decode the runs of /api/v1/check_run; their messages are not kept.

    Raises:
        RejectedError: when the body cannot be decoded.
    """
    require_few_elements(body)
    with decoding("service checks"):
        decoded = _runs.decode(body or b"null")
    runs = decoded if isinstance(decoded, list) else [decoded] if decoded else []
    kept = (run for run in runs if run.check in KEPT_SERVICE_CHECKS)
    return Decoded(
        records=collected(map(_service_check, kept)),
        items=max(len(runs), 1),
        metric_points=Counter(run.check for run in runs),
    )


def series(
    name: str,
    points: Sequence[tuple[int, float]],
    *,
    metric_type: MetricType,
    interval_s: float | None,
    host: str,
    tags: Sequence[str],
    source: Source | None = None,
) -> Iterator[Record]:
    """Yield a series and its points.

    Args:
        name: one of KEPT_METRICS.
        points: nanoseconds since 1970, and value.
        metric_type: the type of the series.
        interval_s: between two points, as the sender states it.
        host: as sent.
        tags: as sent, "key:value"; values are redacted by the rule for names.
        source: the sender; None: by the tags.
    """
    finite = [(at_ns, value) for at_ns, value in points if math.isfinite(value)]
    if not finite:
        return
    source = source or _source(tags)
    kept_tags, kept_host = _tags(tags), redact.label(host) or ""
    identity = (source, kept_host, name, metric_type, interval_s, kept_tags)
    digest = blake2b(repr(identity).encode(), digest_size=8).digest()
    key = int.from_bytes(digest, signed=True)
    yield MetricSeries(
        key=key,
        source=source,
        host=kept_host,
        name=name,
        type=metric_type,
        interval_s=interval_s,
        tags=kept_tags,
        seen_ns=max(at_ns for at_ns, _ in finite),
    )
    for at_ns, value in finite:
        yield MetricPoint(series=key, at_ns=at_ns, value=value)


def _of_json(encoded: Sequence[msgspec.Raw], points: Counter[str]) -> Iterator[Record]:
    for one in map(_series.decode, encoded):
        points[one.metric] += len(one.points)
        if one.metric in KEPT_METRICS:
            decoded = map(_point.decode, one.points)
            pairs = [p if isinstance(p, tuple) else (p.timestamp, p.value) for p in decoded]
            hosts = [r.name for r in one.resources or () if r.type == "host"]
            yield from series(
                one.metric,
                [(round(at_s * NS_PER_S), value) for at_s, value in pairs],
                metric_type=_type(one.type),
                interval_s=one.interval or None,
                host=one.host or next(iter(hosts), ""),
                tags=one.tags or (),
            )


def _of_protobuf(encoded: Sequence[bytes], points: Counter[str]) -> Iterator[Record]:
    for one in (message("MetricSeries", data) for data in encoded):
        points[one.metric] += len(one.points)
        if one.metric in KEPT_METRICS:
            if len(one.points) > MAX_ROWS:
                raise malformed(f"more than {MAX_ROWS} points of a series")
            decoded = [message("MetricPoint", point) for point in one.points]
            if not all(0 < point.timestamp < LAST_S for point in decoded):
                raise malformed("a point whose time is not between 1970 and 2200, in seconds")
            if len(one.tags) > MAX_TAGS:
                raise malformed(f"more than {MAX_TAGS} tags of a series")
            if not 0 <= one.interval < LONGEST_S:
                raise malformed("an interval out of range")
            resources = (message("MetricResource", data) for data in one.resources)
            yield from series(
                one.metric,
                [(point.timestamp * NS_PER_S, point.value) for point in decoded],
                metric_type=_type(one.type),
                interval_s=float(one.interval) or None,
                host=next((r.name for r in resources if r.type == "host"), ""),
                tags=one.tags,
            )


def _service_check(run: _Check) -> Record:
    if run.timestamp is None:
        raise malformed(f"a service check {run.check} without a timestamp")
    tags = run.tags or ()
    return ServiceCheck(
        at_ns=round(run.timestamp * NS_PER_S),
        source=_source(tags),
        host=redact.label(run.host_name) or "",
        name=run.check,
        status=run.status,
        tags=_tags(tags),
    )


def _type(stated: int | str | None) -> MetricType:
    """Return the type of a series; a missing or unknown one is a gauge, as in the API."""
    if isinstance(stated, str):
        return MetricType(stated) if stated in set(MetricType) else MetricType.GAUGE
    return TYPES.get(stated or 0, MetricType.GAUGE)


def _source(tags: Sequence[str]) -> Source:
    return next((SUBSTITUTE_TAGS[tag] for tag in tags if tag in SUBSTITUTE_TAGS), Source.AGENT)


def _tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the tags, sorted, with values by the rule for names; without tags whose key is not harmless."""
    kept = set()
    for tag in tags:
        key, colon, value = tag.partition(":")
        if (
            tag not in SUBSTITUTE_TAGS
            and colon
            and TAG_KEY.fullmatch(key)
            and redact.is_harmless(key)
        ):
            kept.add(f"{key}:{redact.label(value) or ''}")
    return tuple(sorted(kept))
