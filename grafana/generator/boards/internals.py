"""(6) PostgreSQL internals: WAL, checkpoints, buffers, temporary files, wraparound, settings."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.generator import style
from grafana.generator.board import INTERNALS, QUERIES, TABLES, Section, board, database, to_board
from grafana.generator.panels import HALF, QUARTER, THIRD, Panel, graph, link, note, number
from grafana.generator.source import Query, grown_by

BLOCK = 8192
# The settings that explain the graphs above, by unit; none is about replication.
MEMORY = (
    "shared_buffers",
    "effective_cache_size",
    "work_mem",
    "maintenance_work_mem",
    "max_wal_size",
)
DURATIONS = (
    "checkpoint_timeout",
    "autovacuum_naptime",
    "deadlock_timeout",
    "log_min_duration_statement",
    "auto_explain_log_min_duration",
)
NUMBERS = (
    "max_connections",
    "autovacuum_max_workers",
    "autovacuum_vacuum_scale_factor",
    "random_page_cost",
    "pg_stat_statements_max",
)


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        INTERNALS,
        "6 PostgreSQL internals",
        "The server's background work: WAL, checkpoints, the buffer cache, temporary files,"
        " the age of transaction ids, and the related settings.",
        Section(title="Now", panels=_now()),
        Section(title="Write-ahead log", panels=_wal()),
        Section(title="Checkpoints and buffer writes", panels=_checkpoints()),
        Section(title="Reads and temporary files", panels=_reading()),
        Section(title="Small caches (SLRU)", panels=_slru(), collapsed=True),
        Section(title="Host", panels=_host(), collapsed=True),
        Section(title="Settings", panels=_settings(), collapsed=True),
        variables=[database()],
    )


def _now() -> list[Panel]:
    return [
        note(
            "How to read this",
            "Use this dashboard when all statements are slow at the same time. **Requested checkpoints**"
            " mean that max_wal_size is too small for the load; **buffers written by backends**"
            " mean that the"
            " background writer cannot keep up; **temporary bytes** mean that work_mem is too small for"
            " some statement.",
        ),
        number(
            "PostgreSQL",
            "1 when the exporter reaches the server.",
            style.COUNT,
            Query(expr="max(pg_up)"),
            thresholds=style.up(),
            words={"1": "up", "0": "down"},
        ),
        number(
            "Database size",
            "Of the lab's database, indexes included.",
            style.BYTES,
            Query(expr='max(pg_database_size_bytes{datname="$database"})'),
        ),
        number(
            "Found in shared buffers",
            "Hits as a share of the blocks requested (hits + reads), in shared buffers.",
            style.SHARE,
            Query(
                expr=f"{_rate('blks_hit')} / clamp_min({_rate('blks_hit')}"
                f" + {_rate('blks_read')}, 1e-9)"
            ),
            thresholds=style.falling(0.9, 0.95),
            decimals=1,
        ),
        number(
            "WAL on disk",
            "It grows to max_wal_size between checkpoints and is recycled. If it is far larger, a"
            " replication slot or a failing archiver retains it.",
            style.BYTES,
            Query(expr="max(pg_wal_size_bytes)"),
        ),
        number(
            "Oldest transaction id",
            "Transactions since the oldest row that is not frozen, as a share of the two billion"
            " after which PostgreSQL stops writing. Autovacuum freezes from 10 %.",
            style.SHARE,
            # The metric's name ends in seconds; the value is age(datfrozenxid), a number of transactions.
            Query(expr="max(pg_database_wraparound_age_datfrozenxid_seconds) / 2e9"),
            thresholds=style.steps(0.25, 0.5),
            decimals=2,
        ),
        number(
            "Temporary bytes",
            "Written to temporary files in this time range: sorts and hashes beyond work_mem.",
            style.BYTES,
            Query(expr='sum(increase(pg_stat_database_temp_bytes{datname="$database"}[$__range]))'),
            thresholds=style.steps(1e8, 1e9),
            links=[link("Which statement", to_board(QUERIES))],
        ),
        number(
            "Started",
            "Start of the server. A time within the range is a restart: sessions were lost, the"
            " cache was cold.",
            style.TIME,
            Query(expr="1000 * max(pg_postmaster_start_time_seconds)"),
        ),
        number(
            "Configuration loaded",
            "The last start or reload. A time within the range without a start is a change of settings:"
            " compare the graphs before and after.",
            style.TIME,
            Query(expr="1000 * max(pg_postmaster_configuration_time_seconds)"),
        ),
        number(
            "Oldest multixact",
            "Multixacts since the oldest one that is not frozen, as a share of the two billion after which"
            " PostgreSQL stops writing. Autovacuum freezes from 20 %.",
            style.SHARE,
            Query(expr="max(pg_multixact_age) / 2e9"),
            thresholds=style.steps(0.25, 0.5),
            decimals=2,
        ),
        number(
            "Invalid indexes",
            "Indexes that a failed CREATE INDEX CONCURRENTLY left: writes maintain them, and no"
            " read uses them.",
            style.COUNT,
            Query(expr="sum(pg_invalid_indexes_count)"),
            thresholds=style.steps(1),
        ),
        number(
            "Failing collectors",
            "Collectors of postgres_exporter that failed in the last scrape, without process_idle,"
            " which fails"
            " whenever no session is idle.",
            style.COUNT,
            Query(
                expr='count(pg_scrape_collector_success{collector!="process_idle"} == 0)'
                " or 0 * max(pg_up == 1)"
            ),
            width=THIRD,
            thresholds=style.steps(1, 3),
        ),
    ]


def _wal() -> list[Panel]:
    return [
        graph(
            "WAL volume",
            "Bytes per second. It follows the write load; a jump without more rows follows each"
            " checkpoint, when the first change of a page logs the full page.",
            style.BYTES_PER_SECOND,
            Query(expr=_wal_rate("bytes"), legend="WAL"),
            links=[link("Who writes rows", to_board(TABLES))],
        ),
        graph(
            "WAL records and full page images",
            "Per second. Many images per record: checkpoints are too frequent. Buffers full"
            " above 0: wal_buffers is too small, and sessions write WAL themselves.",
            style.PER_SECOND,
            Query(expr=_wal_rate("records"), legend="records"),
            Query(expr=_wal_rate("full_page_images"), legend="full page images"),
            Query(expr=_wal_rate("buffers_full"), legend="buffers full"),
            colours={
                "records": style.BLUE,
                "full page images": style.AMBER,
                "buffers full": style.RED,
            },
        ),
        graph(
            "WAL write and sync time",
            "Seconds per second, all sessions together, for writing and syncing WAL. A commit waits for"
            " it. If only the sync time grows, the disk is the cause.",
            style.SESSIONS,
            Query(expr=_wal_rate("write_seconds"), legend="writing"),
            Query(expr=_wal_rate("sync_seconds"), legend="syncing"),
            colours={"writing": style.BLUE, "syncing": style.AMBER},
        ),
    ]


def _checkpoints() -> list[Panel]:
    return [
        graph(
            "Checkpoints",
            "Timed checkpoints are scheduled by checkpoint_timeout. Requested ones mean that"
            " max_wal_size was"
            " reached first (or that someone ran CHECKPOINT).",
            style.COUNT,
            *(
                Query(
                    expr=f"sum({grown_by(f'pg_stat_bgwriter_checkpoints_{kind}_total')})",
                    legend=legend,
                )
                for kind, legend in (("timed", "timed"), ("req", "requested"))
            ),
            bars=True,
            stacked=True,
            colours={"timed": style.GREEN, "requested": style.RED},
        ),
        graph(
            "Checkpoint time",
            "Duration of each, counted at its end. Writes are spread over most of the time until"
            " the next checkpoint; a sync above a second means that the disk is too slow.",
            style.SECONDS,
            *(
                Query(
                    # The metric is in milliseconds.
                    expr=f"sum({grown_by(f'pg_stat_bgwriter_checkpoint_{way}_time_total')}) / 1000",
                    legend=legend,
                )
                for way, legend in (("write", "writing"), ("sync", "syncing"))
            ),
            bars=True,
            stacked=True,
            colours={"writing": style.BLUE, "syncing": style.AMBER},
        ),
        graph(
            "Buffers written, by process",
            "Bytes per second. The checkpointer should write most of them; a session that must"
            " write a buffer"
            " before it can use it is delayed.",
            style.BYTES_PER_SECOND,
            *(
                Query(
                    expr=f"{BLOCK} * sum(rate(pg_stat_bgwriter_buffers_{who}_total[$__rate_interval]))",
                    legend=legend,
                )
                for who, legend in (
                    ("checkpoint", "checkpointer"),
                    ("clean", "background writer"),
                    ("backend", "sessions"),
                )
            ),
            stacked=True,
            colours={
                "checkpointer": style.GREEN,
                "background writer": style.BLUE,
                "sessions": style.RED,
            },
        ),
    ]


def _reading() -> list[Panel]:
    return [
        graph(
            "Blocks read",
            "Bytes per second found in shared buffers, and read from the kernel's cache or from disk.",
            style.BYTES_PER_SECOND,
            Query(expr=f"{BLOCK} * {_rate('blks_hit')}", legend="shared buffers"),
            Query(expr=f"{BLOCK} * {_rate('blks_read')}", legend="read from disk"),
            colours={"shared buffers": style.GREEN, "read from disk": style.RED},
        ),
        graph(
            "Block read and write time",
            "Seconds per second, all sessions together. It needs track_io_timing, which the lab sets.",
            style.SESSIONS,
            # In milliseconds.
            Query(expr=f"{_rate('blk_read_time')} / 1000", legend="reading"),
            Query(expr=f"{_rate('blk_write_time')} / 1000", legend="writing"),
            colours={"reading": style.BLUE, "writing": style.AMBER},
        ),
        graph(
            "Temporary files",
            "Bytes per second that sorts and hashes write to temporary files. The statement is on the"
            " queries dashboard, column temp.",
            style.BYTES_PER_SECOND,
            Query(expr=_rate("temp_bytes"), legend="spilled"),
            thresholds=style.steps(10_000_000),
            links=[link("Which statement", to_board(QUERIES))],
        ),
    ]


def _slru() -> list[Panel]:
    def rate(kind: str) -> str:
        return f"sum by (name) (rate(pg_stat_slru_blocks_{kind}_total[$__rate_interval]))"

    return [
        graph(
            "Blocks read into a small cache",
            "Per second, by cache. Reads of Subtrans: one transaction has more than 64 savepoints, and"
            " every snapshot looks its parts up. Reads of MultiXact: many sessions share row locks.",
            style.PER_SECOND,
            Query(expr=rate("read"), legend="{{name}}"),
            width=HALF,
        ),
        graph(
            "Found in a small cache",
            "Hits as a share of the blocks requested, by cache. A cache without requests has no share.",
            style.SHARE,
            Query(
                expr=f"{rate('hit')} / (({rate('hit')} + {rate('read')}) > 0)", legend="{{name}}"
            ),
            width=HALF,
            begins_at=0.9,
        ),
    ]


def _host() -> list[Panel]:
    def rate(series: str) -> str:
        return f"rate(lab_host_{series}[$__rate_interval])"

    return [
        graph(
            "CPU of the host",
            "Share of all processors, by mode. Steal is time that the hypervisor gave to other"
            " machines; iowait is"
            " idle time with a read or write under way.",
            style.SHARE,
            Query(
                expr="sum by (mode) (rate(lab_host_cpu_seconds_total{mode!='idle'}[$__rate_interval]))"
                " / scalar(max(lab_host_cpus))",
                legend="{{mode}}",
            ),
            width=QUARTER,
            stacked=True,
        ),
        graph(
            "Memory of the host",
            "Available memory includes the kernel's cache, which PostgreSQL uses, too. Swap in"
            " use: too little"
            " memory for all components.",
            style.BYTES,
            Query(expr="max by (kind) (lab_host_memory_bytes)", legend="{{kind}}"),
            width=QUARTER,
        ),
        graph(
            "Disk of the host",
            "Bytes per second of all disks.",
            style.BYTES_PER_SECOND,
            Query(expr=f"sum by (direction) ({rate('disk_bytes_total')})", legend="{{direction}}"),
            width=QUARTER,
        ),
        graph(
            "Network of the host",
            "Bytes per second of all interfaces, loopback included; in a container, of the"
            " console's network.",
            style.BYTES_PER_SECOND,
            Query(
                expr=f"sum by (direction) ({rate('network_bytes_total')})", legend="{{direction}}"
            ),
            width=QUARTER,
        ),
    ]


def _settings() -> list[Panel]:
    def settings(title: str, unit: str, names: tuple[str, ...], suffix: str) -> Panel:
        return number(
            title,
            "Set in postgres/conf/postgresql.conf, with the reason for each.",
            unit,
            *(
                Query(expr=f"max(pg_settings_{name}{suffix})", legend=name.replace("_", " "))
                for name in names
            ),
            width=THIRD,
            height=8,
        )

    return [
        settings("Memory and WAL", style.BYTES, MEMORY, "_bytes"),
        settings("Times", style.SECONDS, DURATIONS, "_seconds"),
        settings("Numbers", style.EXACT, NUMBERS, ""),
    ]


def _rate(metric: str) -> str:
    return f'sum(rate(pg_stat_database_{metric}{{datname="$database"}}[$__rate_interval]))'


def _wal_rate(metric: str) -> str:
    return f"sum(rate(pg_stat_wal_{metric}_total[$__rate_interval]))"
