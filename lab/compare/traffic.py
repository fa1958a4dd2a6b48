"""Traffic and storage of the observers: bytes scraped and sent, before compression; series, samples, rows."""

from collections.abc import Iterator

from lab.clients.prometheus import Prometheus, PrometheusError
from lab.compare.resources import DATADOG, LAB, PROMETHEUS, Spent, one_line
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.telemetry.store import Reader, StoreError
from lab.telemetry.store.tables import TABLES

SCRAPE_WITHIN_S = 10.0
ON_DISK = (
    "prometheus_tsdb_storage_blocks_bytes + prometheus_tsdb_wal_storage_size_bytes"
    " + prometheus_tsdb_head_chunks_storage_size_bytes"
)
PER_MINUTE = 60.0


def spent(settings: LabSettings, *, since_s: float) -> Iterator[Spent]:
    """Yield bytes and samples per minute, and the storage that they use."""
    prometheus = Prometheus.of(settings, timeout_s=SCRAPE_WITHIN_S)
    try:
        yield from _scraped(prometheus)
        yield from _stored_by(prometheus)
        yield from _sent(prometheus, since_s)
    except PrometheusError as error:
        for observer in (PROMETHEUS, DATADOG):
            yield Spent(observer=observer, what="bytes per minute", why_not=one_line(error))
    yield from _kept(settings)
    yield Spent(
        observer=DATADOG,
        what="tracing, per statement",
        unit="µs",
        why_not="needs the same load without it: ./creditlab bench overhead",
    )


def _scraped(prometheus: Prometheus) -> Iterator[Spent]:
    """Yield bytes and samples of each job, by what Prometheus counts of its scrapes.

    A scrape by the lab would fill the exporter's cache, from which Prometheus' next one would be answered.
    """
    targets = {target.job: target for target in prometheus.targets()}
    for what, unit, metric, scale in (
        ("bytes scraped", "kB/min", "scrape_body_size_bytes", 1000.0),
        ("samples", "/min", "scrape_samples_scraped", 1.0),
    ):
        found = {
            series.labels["job"]: series.value
            for series in prometheus.now(f"sum by (job) ({metric})")
        }
        for job, target in sorted(targets.items()):
            scrapes = PER_MINUTE / target.every_s
            yield Spent(
                observer=PROMETHEUS,
                what=f"job {job}: {what}",
                unit=unit,
                value=found[job] * scrapes / scale if job in found else None,
                why_not="" if job in found else f"Prometheus has no {metric} of it",
            )


def _stored_by(prometheus: Prometheus) -> Iterator[Spent]:
    for what, unit, expr, scale in (
        ("series in memory", "", "sum(prometheus_tsdb_head_series)", 1.0),
        ("on disk", "MB", f"sum({ON_DISK})", 1e6),
    ):
        found = prometheus.now(expr)
        yield Spent(
            observer=PROMETHEUS,
            what=what,
            unit=unit,
            value=found[0].value / scale if found else None,
            why_not="" if found else "Prometheus has not scraped itself yet",
        )


def _sent(prometheus: Prometheus, since_s: float) -> Iterator[Spent]:
    """Yield the bytes that the intake accepted from Agents and tracers, counted after decompression."""
    rate = f"sum by (stream) (rate(lab_intake_bytes_total[{since_s:.0f}s]))"
    found = {series.labels["stream"]: series.value for series in prometheus.now(rate)}
    for stream, per_second in sorted(found.items()):
        if per_second:
            yield Spent(
                observer=DATADOG,
                what=f"stream {stream}: bytes sent",
                unit="kB/min",
                value=per_second * PER_MINUTE / 1000,
            )
    if not any(found.values()):
        why_not = "the intake received no data in the window"
        yield Spent(observer=DATADOG, what="bytes sent", why_not=why_not)


def _kept(settings: LabSettings) -> Iterator[Spent]:
    file = Paths.of(settings).store
    reader = Reader(file, timeout_s=SCRAPE_WITHIN_S)
    counted = " + ".join(f"(SELECT count(*) FROM {table.name})" for table in TABLES.values())
    try:
        [[rows]] = reader.rows(f"SELECT {counted}")
    except StoreError as error:
        yield Spent(observer=LAB, what="rows", why_not=one_line(error))
    else:
        yield Spent(observer=LAB, what="store: rows of both observers and the log", value=rows)
        size = file.stat().st_size / 1e6
        yield Spent(observer=LAB, what="store: on disk", unit="MB", value=size)
